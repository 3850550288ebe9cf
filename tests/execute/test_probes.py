"""The 13 correctness probes of incremental builds, each on the project's own engine."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from i2v3d.execute.build import BuildOptions, build
from i2v3d.plan.explain import explain
from i2v3d.plan.make import make_plan

SCRIPT = Path(__file__).with_name("toy_build.py")


def flip_byte(path: Path) -> None:
    """Changes one byte and puts size, mode and modification time back."""
    before = path.stat()
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    path.chmod(before.st_mode & 0o777)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def start_build(toys, shape: str, size: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(toys.folder), shape, str(size)], stdout=subprocess.PIPE, text=True
    )


def test_a_source_edit_that_leaves_the_first_output_unchanged_runs_one_step(toys, source):
    def graph():
        first = toys.read("read", source, first=3)
        return toys.graph(first, toys.join("a", "read"), toys.join("b", "a"))

    toys.build(graph())
    toys.runs()
    source.write_text("one and something else")
    assert toys.build(graph()).executed == ("read",)
    assert toys.runs() == {"read": 1}


def test_a_comment_in_a_stages_code_runs_nothing(toys, source):
    toys.build(toys.chain(source))
    toys.edit_code(
        "join", "    note(params.label)", '    # now noted\n\n    "also a text"\n    note( params.label )  # here'
    )
    assert toys.build(toys.chain(source)).executed == ()
    toys.edit_code("join", "params.between.join(", '"".join(')
    assert toys.build(toys.chain(source)).executed == ("join[1]", "join[2]", "join[3]")


def test_a_comment_and_another_key_order_in_the_spec_run_nothing(toys, source):
    def build_spec(text):
        spec = yaml.safe_load(text)
        steps = [toys.join(name, "read", **params) for name, params in sorted(spec.items())]
        return toys.build(toys.graph(toys.read("read", source), *steps)).executed

    assert set(build_spec("a: {times: 2, between: x}\nb: {weight: 2.0}\n")) == {"read", "a", "b"}
    assert build_spec("# a comment\nb:\n  weight: 2.0\na: {between: x,   times: 2}  # another\n") == ()


def test_a_changed_parameter_with_an_unchanged_output_runs_one_step(toys, source):
    def graph(weight):
        return toys.graph(toys.read("read", source), toys.join("a", "read", weight=weight), toys.join("b", "a"))

    toys.build(graph(1.0))
    assert toys.build(graph(2.0)).executed == ("a",)


def test_going_back_to_earlier_parameters_runs_nothing(toys, source):
    toys.build(toys.chain(source, between="A"))
    first = toys.text()
    toys.build(toys.chain(source, between="B", times=2))
    assert toys.text() != first
    toys.runs()
    assert toys.build(toys.chain(source, between="A")).executed == ()
    assert toys.text() == first
    assert not toys.runs()


def test_a_source_replaced_by_an_older_file_is_noticed(toys, source):
    toys.build(toys.chain(source))
    other = toys.folder / "other.txt"
    other.write_text("ONE TWO three four five six")
    os.utime(other, (1_000_000_000, 1_000_000_000))
    other.replace(source)
    assert toys.build(toys.chain(source)).executed == ("read", "join[1]", "join[2]", "join[3]")
    assert toys.text().startswith("ONE TWO")


@pytest.mark.parametrize("is_mtime_kept", [True, False])
def test_a_flipped_byte_in_a_stored_result_is_found_and_made_anew(toys, source, is_mtime_kept):
    graph = toys.chain(source)
    toys.build(graph)
    clean = toys.text()
    blob = toys.blob(graph, "join[1]")
    content = blob.read_bytes()
    time.sleep(0.02)  # the file system's clock must have moved on, as it has for any later damage
    flip_byte(blob)
    if not is_mtime_kept:
        os.utime(blob)
    toys.runs()
    assert toys.build(graph).executed == ("join[1]",)
    assert blob.read_bytes() == content
    assert toys.text() == clean


def test_a_flipped_byte_in_a_delivered_file_is_found_and_repaired(toys, source):
    graph = toys.chain(source)
    toys.build(graph)
    clean = toys.text()
    time.sleep(0.02)
    flip_byte(toys.out / "result.txt")
    assert toys.text() != clean
    toys.build(graph)
    assert toys.text() == clean


def test_after_kill_9_in_mid_step_the_next_build_goes_on_from_there(toys, source):
    toys.order("join[2]", "import os, signal, time; os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)")
    killed = start_build(toys, "chain", 5)
    killed.communicate()
    assert killed.returncode == -9
    assert toys.runs() == {"read": 1, "join[1]": 1, "join[2]": 1}
    assert toys.build(toys.chain(source, 5)).executed == ("join[2]", "join[3]", "join[4]")
    assert toys.text() == source.read_text() + "join[1]join[2]join[3]join[4]"


def test_an_input_edited_while_the_stage_runs_is_never_taken_for_its_result(toys, source):
    toys.order("read", f"open({str(source)!r}, 'w').write('edited')")
    result = toys.build(toys.chain(source))
    assert toys.runs()["read"] == 2
    assert toys.text().startswith("edited")
    assert "read" in result.executed
    source.write_text("one two three four five six")
    assert toys.build(toys.chain(source)).executed == ("read", "join[1]", "join[2]", "join[3]")
    assert toys.text().startswith("one two")


def test_two_builds_at_once_both_succeed_and_each_step_runs_once(toys, source):
    for label in ("read", "join[2]"):
        toys.order(label, "import time; time.sleep(0.3)")
    builds = [start_build(toys, "chain", 8) for _ in range(3)]
    printed = [build.communicate()[0] for build in builds]
    assert [build.returncode for build in builds] == [0, 0, 0]
    executed = [name for text in printed for name in json.loads(text)]
    assert len(executed) == len(set(executed)) == 8
    assert sum(toys.runs().values()) == 8
    assert toys.text().endswith("join[6]join[7]")


def test_the_plan_names_what_will_run_what_may_and_what_is_up_to_date(toys, source):
    def graph(weight, times):
        a = toys.join("a", "read", weight=weight)
        b = toys.join("b", "a")
        return toys.graph(toys.read("read", source), a, b, toys.join("c", "read", times=times))

    toys.build(graph(1.0, 1))
    plan = make_plan(graph(2.0, 3), toys.store)
    assert {name: step.status for name, step in plan.steps.items()} == {
        "read": "up_to_date",
        "a": "will_run",
        "b": "may_run",
        "c": "will_run",
    }
    assert plan.steps["a"].reasons == ("params.weight 1.0 -> 2.0",)
    assert plan.steps["b"].waits_for == ("a",)
    assert plan.steps["c"].reasons == ("params.times 1 -> 3",)
    assert set(toys.build(graph(2.0, 3)).executed) == {"a", "c"}


def test_an_explanation_gives_old_and_new_values_with_their_origin_and_the_first_cause(toys, source):
    toys.build(toys.chain(source, between="x"))
    source.write_text("another text")
    explanation = explain(toys.chain(source, between="y"), toys.store, "join[3]")
    (between, texts) = explanation.changes
    assert (between.field, between.old, between.new) == ("params.between", "'x'", "'y'")
    assert between.origin == "steps.join[3].between"
    assert texts.producers == ("join[2]",)
    causes = {(cause.step, cause.change.field) for cause in explanation.causes}
    assert causes == {("join[3]", "params.between"), ("read", "input source")}


def test_a_clean_store_gives_the_same_bytes(toys, source):
    toys.build(toys.fan(source))
    first = toys.text()
    result = build(toys.fan(source), toys.fresh_store("clean"), BuildOptions(out_dir=toys.folder / "clean_out", jobs=2))
    assert result.is_success
    assert (toys.folder / "clean_out" / "result.txt").read_text() == first


@pytest.mark.slow
def test_eight_builds_at_once_run_each_step_once(toys, source):
    builds = [start_build(toys, "long_chain", 40) for _ in range(8)]
    printed = [build.communicate()[0] for build in builds]
    assert [build.returncode for build in builds] == [0] * 8
    executed = [name for text in printed for name in json.loads(text)]
    assert len(executed) == len(set(executed)) == 40


@pytest.mark.slow
def test_edits_at_random_moments_of_a_build_never_leave_a_stale_result(toys, source):
    rng = random.Random(7)
    for number in range(12):
        source.write_text(f"text {number} before ")
        began = start_build(toys, "chain", 12)
        time.sleep(rng.uniform(0, 0.8))
        source.write_text(f"text {number} after ")
        began.communicate()
        assert began.returncode == 0
        toys.build(toys.chain(source, 12))
        assert toys.text().startswith(f"text {number} after join[1]join[2]")
