"""What counts as a change of watched files, with real files."""

import os
import threading
import time

import pytest

from i2v3d.execute.file_watch import FileWatch, last_written_s


def long_ago(path):
    os.utime(path, (1.0, 1.0))


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "scene.yaml"
    path.write_text("one")
    time.sleep(0.05)  # older than the loading of the spec by more than a tick of the clock
    return path


def watching(*paths, listed=()):
    watch = FileWatch()
    watch.look_after(paths, since_ns=time.time_ns(), listed=listed)
    return watch


def test_files_that_stay_as_they_are_have_not_changed(spec):
    watch = watching(spec, spec.parent / "absent.png")
    assert watch.changed() == ()


def test_a_file_written_in_place_has_changed_until_that_is_accepted(spec):
    watch = watching(spec)
    spec.write_text("two")
    assert watch.changed() == (spec,)
    assert watch.accept_when_quiet() == (spec,)
    assert watch.changed() == ()


def test_a_save_by_renaming_is_seen_even_with_the_old_size_and_time(spec):
    long_ago(spec)
    time.sleep(0.05)
    watch = watching(spec)
    beside = spec.with_name("scene.yaml~")
    beside.write_text("two")
    long_ago(beside)
    beside.replace(spec)
    assert watch.changed() == (spec,)


def test_a_file_that_goes_and_one_that_comes_have_changed(spec):
    photo = spec.parent / "photo.png"
    watch = watching(spec, photo)
    photo.write_bytes(b"x")
    spec.unlink()
    assert watch.accept_when_quiet() == (photo, spec)
    assert last_written_s([spec]) is None
    assert last_written_s([spec, photo]) == pytest.approx(time.time(), abs=5)


def test_several_saves_in_a_row_are_one_change_of_the_newest_state(spec):
    watch = watching(spec)

    def save_again_and_again():
        for number in range(6):
            spec.write_text(f"number {number}")
            time.sleep(0.03)

    saving = threading.Thread(target=save_again_and_again)
    saving.start()
    while not watch.changed():
        time.sleep(0.005)
    assert watch.accept_when_quiet() == (spec,)
    assert spec.read_text() == "number 5"
    saving.join()
    assert watch.changed() == ()


def test_a_file_that_never_rests_is_accepted_in_the_end(spec):
    watch = watching(spec)
    count = 0

    def written_while_waiting(seconds):
        nonlocal count
        count += 1
        spec.write_text("x" * count)
        time.sleep(seconds)

    started = time.monotonic()
    assert watch.accept_when_quiet(written_while_waiting) == (spec,)
    assert 1.5 < time.monotonic() - started < 10


def test_what_was_saved_while_it_was_read_counts_as_changed(spec):
    watch = FileWatch()
    began_ns = time.time_ns()
    time.sleep(0.05)
    spec.write_text("saved while the spec was read")
    watch.look_after([spec], since_ns=began_ns)
    assert watch.changed() == (spec,)
    watch = watching(spec)
    spec.write_text("another")  # between a round's beginning and its end
    watch.look_after([spec, spec.parent / "photo.png"], since_ns=time.time_ns())
    assert spec in watch.changed()


def test_files_in_a_watched_folder_count_new_and_gone_ones_too(tmp_path):
    folder = tmp_path / "splash"
    folder.mkdir()
    (folder / "1.obj").write_text("v")
    time.sleep(0.05)
    watch = watching(folder)
    assert watch.changed() == ()
    (folder / "2.obj").write_text("v")
    assert folder / "2.obj" in watch.accept_when_quiet()
    (folder / "1.obj").unlink()
    assert folder / "1.obj" in watch.accept_when_quiet()


def test_a_listed_folder_tells_of_what_was_missing_but_not_of_hidden_files(spec):
    watch = watching(spec, listed=[spec.parent])
    (spec.parent / ".scene.yaml.swp").write_text("x")
    assert watch.changed() == ()
    (spec.parent / "photo.png").write_bytes(b"x")
    assert watch.changed() == (spec.parent / "photo.png",)
