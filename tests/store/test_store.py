from __future__ import annotations

import json
import os
import threading
import time

import pytest

from i2v3d.errors import StoreError
from i2v3d.plan.make import make_plan
from i2v3d.store.digests import digest_bytes, digest_file
from i2v3d.store.gc import clean_store, list_actions, store_bytes, verify_store
from i2v3d.store.local import LocalStore, store_root
from i2v3d.store.locks import action_lock, store_lock
from i2v3d.store.sources import Sources
from i2v3d.store.stamps import stamp_of


def test_blobs_are_read_only_and_named_by_their_content(toys, source):
    toys.build(toys.chain(source))
    blobs = list((toys.store.root / "objects").glob("*/*"))
    assert len(blobs) == 7  # four texts, three scraps
    for blob in blobs:
        assert digest_file(blob) == blob.parent.name + blob.name
        assert blob.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("damage", ["gone", "cut short", "not json", "other json"])
def test_a_damaged_record_or_missing_blob_is_a_miss_and_never_an_error(toys, source, damage):
    graph = toys.chain(source)
    toys.build(graph)
    text = toys.text()
    for path in list(toys.store.records.all_paths()):
        if damage == "gone":
            path.unlink()
        else:
            path.write_text({"cut short": path.read_text()[:40], "not json": "\x00", "other json": "[1]"}[damage])
    assert len(make_plan(graph, toys.store).names("will_run")) >= 1
    assert len(toys.build(graph).executed) == 4
    assert toys.text() == text


def test_a_lost_or_damaged_state_database_costs_nothing_but_time(toys, source):
    graph = toys.chain(source)
    toys.build(graph)
    toys.store.close()
    for suffix in ("-wal", "-shm"):
        (toys.store.root / f"state.sqlite{suffix}").unlink(missing_ok=True)
    (toys.store.root / "state.sqlite").write_bytes(b"not a database" * 100)
    toys.store = LocalStore(toys.store.root)
    assert toys.build(graph).executed == ()


def test_verify_finds_and_removes_every_damaged_blob(toys, source):
    graph = toys.chain(source)
    toys.build(graph)
    assert verify_store(toys.store) == ()
    blobs = sorted((toys.store.root / "objects").glob("*/*"))[::2]
    for blob in blobs:
        before = blob.stat()
        blob.chmod(0o644)
        blob.write_bytes(b"?" * before.st_size)
        os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert verify_store(toys.store) == tuple(sorted(blob.parent.name + blob.name for blob in blobs))
    assert not any(blob.exists() for blob in blobs)
    toys.build(graph)
    assert verify_store(toys.store) == ()


def test_cleaning_keeps_the_last_build_and_the_bound_and_forgets_the_oldest_first(toys, source):
    def graph(index):
        return toys.graph(toys.read("read", source), toys.join("big", "read", label=f"l{index}", size=10_000))

    for index in range(12):
        toys.build(graph(index))
    for path in toys.store.records.all_paths():  # uses a second apart, whatever the clock of the file system
        label = json.loads(path.read_text())["parts"]["params"][2]["label"]
        if label.startswith("l"):
            os.utime(path, (1_700_000_000 + int(label[1:]), 1_700_000_000 + int(label[1:])))
    before = store_bytes(toys.store)
    cleaning = clean_store(toys.store, 50_500)
    assert cleaning.kept_bytes == store_bytes(toys.store) <= 50_500
    assert cleaning.kept_bytes > 50_500 * 0.79  # as much as fits of blobs of 10,000 bytes
    assert cleaning.removed_bytes == before - cleaning.kept_bytes
    for index, is_kept in ((11, True), (10, True), (6, False), (0, False)):
        assert make_plan(graph(index), toys.store).is_up_to_date == is_kept, index
    clean_store(toys.store, 0)
    assert make_plan(graph(11), toys.store).is_up_to_date
    assert {action.stage for action in list_actions(toys.store)} == {"read", "join"}
    assert not list((toys.store.root / "locks").iterdir())


def test_cleaning_removes_blobs_that_nothing_names(toys, source):
    toys.build(toys.chain(source))
    orphan = toys.folder / "orphan"
    orphan.write_bytes(b"from a build that was killed")
    toys.store.objects.adopt(orphan, digest_bytes(b"from a build that was killed"), 28)
    before = store_bytes(toys.store)
    assert clean_store(toys.store, 10**9).removed_bytes == 28
    assert store_bytes(toys.store) == before - 28


def test_a_store_in_use_is_not_cleaned(toys):
    with (
        store_lock(toys.store.root / "store.lock", is_exclusive=False),
        pytest.raises(StoreError, match="a build is running"),
    ):
        clean_store(toys.store, 0)


def test_an_adopted_blob_that_is_damaged_is_replaced(toys, tmp_path):
    data = b"good data"
    digest = digest_bytes(data)
    place = toys.store.objects.path(digest)
    place.parent.mkdir()
    place.write_bytes(b"bad  data")
    file = tmp_path / "new"
    file.write_bytes(data)
    toys.store.objects.adopt(file, digest, len(data))
    toys.store.objects.seal(digest)
    assert place.read_bytes() == data
    assert toys.store.objects.holds(digest, len(data))
    assert not file.exists()


def test_the_holder_of_an_action_lock_is_alone(toys):
    path = toys.store.lock_path("k")
    inside, most = 0, 0

    def enter():
        nonlocal inside, most
        for _ in range(20):
            with action_lock(path, lambda seconds: time.sleep(0.001)):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0002)
                inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not path.exists()


def test_a_source_folder_is_keyed_on_names_and_content_below_it(toys, tmp_path):
    folder = tmp_path / "views"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")

    def content():
        return Sources(toys.store.state).digest(folder).content

    first = content()
    (folder / "a.txt").touch()
    assert content() == first
    (folder / "sub" / "b.txt").write_text("b")
    second = content()
    (folder / "sub" / "b.txt").rename(folder / "sub" / "c.txt")
    assert len({first, second, content()}) == 3


def test_an_edit_within_one_step_of_the_clock_is_seen(toys, tmp_path):
    path = tmp_path / "a.txt"
    for number in range(200):
        path.write_text(f"{number:04d}")
        assert Sources(toys.store.state).digest(path).content == digest_bytes(f"{number:04d}".encode())


def test_an_unread_settled_source_is_not_read_again(toys, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x")
    stamp = stamp_of(path)
    toys.store.state.set_digest(str(path), stamp, "noted")
    assert Sources(toys.store.state).digest(path).content == "noted"


def test_the_store_lies_beside_the_spec_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv("I2V3D_CACHE", raising=False)
    assert store_root(tmp_path) == tmp_path / ".i2v3d"
    monkeypatch.setenv("I2V3D_CACHE", str(tmp_path / "shared"))
    assert store_root(tmp_path) == tmp_path / "shared"
    assert store_root(tmp_path, tmp_path / "mine") == tmp_path / "mine"


def test_a_build_of_a_part_does_not_give_up_the_rest(toys, source):
    graph = toys.chain(source)
    toys.build(graph)
    toys.build(graph.select(until=["join[1]"]))
    clean_store(toys.store, 0)
    assert make_plan(graph, toys.store).is_up_to_date
