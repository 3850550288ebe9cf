from __future__ import annotations

import os

import pytest

from i2v3d.errors import MissingBackendError, StageError, StoreError, UsageError
from i2v3d.execute.build import BuildOptions, build
from i2v3d.execute.events import StepFailed, StepSkipped
from i2v3d.plan.make import make_plan
from i2v3d.store.local import LocalStore


def failed_build(toys, graph, **options):
    return build(graph, toys.store, BuildOptions(out_dir=toys.out, **{"jobs": 2, "retry_wait_s": 0.01, **options}))


def test_a_failed_step_keeps_its_work_directory_and_log(toys, source):
    toys.order(
        "join[1]", "print('how far it came', flush=True); os.system('echo from a child'); raise ValueError('no good')"
    )
    result = failed_build(toys, toys.chain(source))
    error = result.failures["join[1]"]
    assert isinstance(error, StageError)
    assert error.message == "join[1]: ValueError: no good"
    assert result.skipped == ("join[2]", "join[3]")
    assert not toys.out.exists()
    log = error.failure.log.read_text()
    assert "how far it came\nfrom a child\n" in log
    assert "Traceback" in log
    assert error.failure.work_dir.is_dir()
    assert (error.failure.work_dir.parent / "in" / "texts" / "0000.txt").read_text() == source.read_text()
    assert error.failure.inputs[0][0] == "texts"
    assert make_plan(toys.chain(source), toys.store).steps["join[1]"].reasons == ("failed last time",)
    toys.build(toys.chain(source))
    assert not error.failure.work_dir.exists()


def test_a_crash_in_a_step_does_not_end_the_build(toys, source):
    toys.order("a", "os.kill(os.getpid(), signal.SIGSEGV)")
    graph = toys.graph(
        toys.read("read", source), toys.join("a", "read"), toys.join("b", "read"), toys.join("c", "a", "b")
    )
    events = []
    result = build(graph, toys.store, BuildOptions(out_dir=toys.out, jobs=1, keep_going=True), events.append)
    assert result.executed == ("read", "b")
    assert result.failures["a"].message == "a: its process died of signal 11"
    assert [(event.step, event.because_of) for event in events if isinstance(event, StepSkipped)] == [("c", "a")]


def test_without_keep_going_nothing_new_starts_after_a_failure(toys, source):
    toys.order("a", "raise ValueError")
    # `a` has the longer way to go, so it is first.
    graph = toys.graph(toys.read("read", source), toys.join("a", "read"), toys.join("b", "read"), toys.join("c", "a"))
    result = failed_build(toys, graph, jobs=1)
    assert result.executed == ("read",)
    assert result.skipped == ("b", "c")


def test_a_step_that_takes_too_long_is_ended(toys, source):
    toys.edit_code("join", "version=1,", "version=1, resources=Resources(timeout_s=0.3),")
    toys.reload("join")
    toys.order("join[1]", "time.sleep(60)")
    result = failed_build(toys, toys.chain(source))
    assert result.failures["join[1]"].message == "join[1]: still running after 0.3 s, so it was ended"


def test_an_error_that_can_pass_by_itself_is_tried_again(toys, source):
    toys.order("join[1]", "raise OSError(5, 'Input/output error')")
    events = []
    result = build(toys.chain(source), toys.store, BuildOptions(jobs=1, retry_wait_s=0.01), events.append)
    assert result.is_success
    assert [(event.step, event.will_retry) for event in events if isinstance(event, StepFailed)] == [("join[1]", True)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("out.path.write_text(", "str(", "text.txt: no such file was written"),
        ("return Outputs(out, scrap)", "return None", "returned NoneType where Outputs was promised"),
        ("return Outputs(out, scrap)", "return Outputs(scrap, scrap)", "output text: Scrap where Text was promised"),
        ("out.path.write_text(", "out.path.symlink_to(inputs.texts[0].path); str(", "output text: text.txt is a link"),
        ('Text(work.output("text"))', 'Text(Path("/tmp/x.txt"))', "written outside the work directory"),
        ('work.output("text")', 'work.output("txt")', "the stage has no output `txt`; it has text, scrap"),
    ],
)
def test_outputs_that_are_not_as_promised_fail_the_step(toys, source, old, new, message):
    toys.edit_code("join", old, new)
    result = failed_build(toys, toys.chain(source, 2))
    assert message in result.failures["join[1]"].message


def test_a_missing_source_fails_the_build_before_anything_runs(toys, source):
    graph = toys.chain(source)
    source.unlink()
    with pytest.raises(UsageError, match=r"source.txt: No such file or directory"):
        toys.build(graph)
    assert not toys.runs()


def test_a_slice_past_the_end_of_a_sequence_fails_the_step_that_asks_for_it(toys, source):
    source.write_text("one two")
    graph = toys.graph(toys.read("read", source), toys.split("split", "read"), toys.pair("pair[1]", "split", 1, 3))
    for _ in range(2):
        error = failed_build(toys, graph).failures["pair[1]"]
        assert error.message == "pair[1]: items [1:3] were asked of a sequence of 2"
        make_plan(graph, toys.store)


def test_a_full_disk_is_said_plainly_and_leaves_nothing_half_written(toys, source):
    toys.order("join[1]", "raise OSError(28, 'No space left on device')")
    with pytest.raises(StoreError, match="the disk is full"):
        toys.build(toys.chain(source))
    assert not toys.out.exists()
    assert not list((toys.store.root / "work").iterdir())
    assert toys.build(toys.chain(source)).executed == ("join[1]", "join[2]", "join[3]")


def test_a_missing_backend_is_reported_as_such(toys, source):
    toys.order(
        "join[1]", "from i2v3d.errors import MissingBackendError; raise MissingBackendError('no gpu', hint='rent one')"
    )
    error = failed_build(toys, toys.chain(source)).failures["join[1]"]
    assert isinstance(error, MissingBackendError)
    assert (error.message, error.hint) == ("join[1]: no gpu", "rent one")


@pytest.mark.parametrize("place", ["store", "out"])
def test_a_folder_without_permission_is_a_usage_error(toys, source, place):
    locked = toys.folder / "locked"
    locked.mkdir(mode=0o555)
    toys.folder.chmod(0o755)
    is_root = os.geteuid() == 0
    if place == "out" and is_root:
        pytest.skip("the rest of the toy folder belongs to root")
    if is_root:
        os.seteuid(65534)
    try:
        with pytest.raises(UsageError, match="no permission to write"):
            LocalStore(locked / "store") if place == "store" else toys.build(toys.chain(source), out_dir=locked / "out")
    finally:
        if is_root:
            os.seteuid(0)


def test_an_output_file_in_the_way_of_a_folder_is_a_clear_error(toys, source):
    toys.out.parent.mkdir(exist_ok=True)
    toys.out.write_text("a file")
    with pytest.raises(StoreError, match="out"):
        toys.build(toys.chain(source))
    assert toys.out.read_text() == "a file"


def test_an_edit_of_the_code_while_a_step_runs_is_not_recorded(toys, source):
    path = toys.package / "join.py"
    toys.order("join[1]", f"open({str(path)!r}, 'a').write('X = 1')")
    result = failed_build(toys, toys.chain(source))
    assert "the stage's code was edited while it ran" in result.failures["join[1]"].message
    assert toys.build(toys.chain(source)).executed == ("join[1]", "join[2]", "join[3]")


def test_code_edited_after_a_worker_has_loaded_it_is_not_recorded(toys, source):
    path = toys.package / "words.py"
    toys.order("read", f"open({str(path)!r}, 'a').write('X = 1')")
    result = failed_build(toys, toys.chain(source), keep_going=True)
    assert "the stage's code was edited while it ran" in result.failures["read"].message
    assert toys.build(toys.chain(source)).executed == ("read", "join[1]", "join[2]", "join[3]")


def test_forced_steps_run_and_what_follows_is_cut_off(toys, source):
    toys.build(toys.chain(source))
    assert toys.build(toys.chain(source), force=("join[1]",)).executed == ("join[1]",)
    assert toys.build(toys.chain(source), force=("join",)).executed == ("join[1]", "join[2]", "join[3]")


@pytest.mark.parametrize(("field", "expected"), [("times", "steps.join[1].times"), ("", "steps.join[1].between")])
def test_an_error_of_a_stage_points_into_the_spec(toys, source, field, expected):
    toys.order("join[1]", f"from i2v3d.errors import StageError; raise StageError('too often', field={field!r})")
    failure = failed_build(toys, toys.chain(source)).failures["join[1]"].failure
    assert (failure.spec_path, failure.is_expected) == (expected, True)


def test_an_error_names_the_users_file_and_not_the_link_that_the_step_read(toys, source):
    toys.order("read", "raise ValueError('source.txt is empty')")
    source.rename(source.with_name("mine.txt"))
    graph = toys.chain(source.with_name("mine.txt"))
    assert failed_build(toys, graph).failures["read"].message == "read: ValueError: mine.txt is empty"


def test_an_error_about_a_users_folder_names_that_folder(toys, tmp_path):
    folder = tmp_path / "my source"
    folder.mkdir()
    with pytest.raises(StageError) as told:
        toys.build(toys.graph(toys.read("read", folder)))
    assert f"Is a directory: '{folder}'" in str(told.value)
