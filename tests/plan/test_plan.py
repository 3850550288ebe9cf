from __future__ import annotations

import pytest

from i2v3d.errors import GraphError, UsageError
from i2v3d.plan.explain import explain, explain_past
from i2v3d.plan.make import make_plan
from i2v3d.plan.printed import explanation_text, plan_text


def reasons(toys, graph, step):
    return make_plan(graph, toys.store).steps[step].reasons


def test_what_was_never_built_will_run(toys, source):
    plan = make_plan(toys.chain(source, 3), toys.store)
    assert {step.status for step in plan.steps.values()} == {"will_run"}
    assert {step.reasons for step in plan.steps.values()} == {("never built",)}
    assert plan.expected_s("will_run") is None


def test_steps_that_may_turn_out_alike_may_run(toys, source):
    source.write_text("a a a a b")
    pairs = [toys.pair(f"pair[{i}]", "split", i, i + 2) for i in range(4)]
    graph = toys.graph(toys.read("read", source), toys.split("split", "read"), *pairs)
    plan = make_plan(graph, toys.store)
    assert plan.names("will_run") == ("read", "split")
    assert plan.names("may_run") == ("pair[0]", "pair[1]", "pair[2]", "pair[3]")
    assert plan.steps["pair[0]"].reasons == ("never built like this; waits for split",)
    assert set(toys.build(graph).executed) == {"read", "split", "pair[0]", "pair[3]"}


def test_the_first_of_two_steps_with_one_key_runs(toys, source):
    graph = toys.graph(toys.read("read", source), toys.join("a", "read", label="l"), toys.join("b", "read", label="l"))
    toys.build(toys.graph(toys.read("read", source)))
    plan = make_plan(graph, toys.store)
    assert plan.steps["a"].status == "will_run"
    assert (plan.steps["b"].status, plan.steps["b"].reasons) == ("may_run", ("does the same work as a",))
    assert toys.build(graph).executed == ("a",)


def test_reasons_name_what_changed_in_the_step_itself(toys, source):
    toys.build(toys.chain(source, 2))
    assert reasons(toys, toys.chain(source, 2, times=3), "join[1]") == ("params.times 1 -> 3",)
    assert reasons(toys, toys.chain(source, 2, times=1.0), "join[1]") == ("params.times 1 -> 1.0",)
    toys.edit_code("join", "* params.times", "* (params.times)")
    assert reasons(toys, toys.chain(source, 2), "join[1]") == ("code toystages.join changed",)
    toys.edit_code("join", "* (params.times)", "* params.times")
    toys.edit_code("join", "version=1", "version=2")
    toys.reload("join")
    assert reasons(toys, toys.chain(source, 2), "join[1]")[0] == "stage version 1 -> 2"


def test_reasons_name_a_changed_source_and_a_lost_result(toys, source):
    graph = toys.chain(source, 2)
    toys.build(graph)
    blob = toys.blob(graph, "join[1]")
    blob.unlink()
    assert reasons(toys, graph, "join[1]") == ("its stored result is missing or damaged",)
    source.write_text("other")
    plan = make_plan(graph, toys.store)
    assert plan.steps["read"].reasons == ("input source (source.txt) changed",)
    assert plan.steps["join[1]"].reasons == ("waits for read",)


def test_an_installed_version_is_in_the_key(toys, source):
    toys.edit_code("join", "from pathlib import Path", "from pathlib import Path\nimport numpy")
    toys.build(toys.chain(source, 2))
    site = toys.folder / "lib" / "site-packages"
    (site / "numpy-99.dist-info").mkdir(parents=True)
    (site / "numpy-99.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 99\n")
    (site / "numpy-99.dist-info" / "top_level.txt").write_text("numpy\n")
    import sys

    import numpy

    sys.path.append(str(site))
    try:
        assert reasons(toys, toys.chain(source, 2), "join[1]") == (f"tool numpy {numpy.__version__} -> 99",)
    finally:
        sys.path.remove(str(site))


def test_forced_steps_will_run(toys, source):
    toys.build(toys.chain(source, 3))
    plan = make_plan(toys.chain(source, 3), toys.store, force=["join[1]"])
    assert [step.status for step in plan.steps.values()] == ["up_to_date", "will_run", "may_run"]
    with pytest.raises(UsageError, match="no step or stage is called `joint`"):
        make_plan(toys.chain(source, 3), toys.store, force=["joint"])


def test_params_that_can_not_be_hashed_are_refused_with_the_step(toys, source):
    graph = toys.graph(toys.read("read", source), toys.join("a", "read", weight=source))
    with pytest.raises(GraphError, match=r"a: params.weight: a PosixPath can't be part of a step's key") as raised:
        make_plan(graph, toys.store)
    assert raised.value.hint == "files belong in a stage's inputs"


def test_an_explanation_works_for_past_builds(toys, source):
    first = toys.build(toys.chain(source, times=1)).number
    second = toys.build(toys.chain(source, times=2)).number
    source.write_text("other")
    third = toys.build(toys.chain(source, times=2)).number
    assert explain_past(toys.store, "toy", "join[3]", first).causes[0].note == "never built before"
    then = explain_past(toys.store, "toy", "join[3]", second)
    assert (then.outcome, then.compared_with) == ("executed", first)
    assert [str(change) for change in then.changes] == ["params.times 1 -> 2"]
    last = explain_past(toys.store, "toy", "join[3]", third)
    assert [(cause.step, cause.change.field) for cause in last.causes] == [("read", "input source")]
    assert explain_past(toys.store, "toy", "read", second).outcome == "reused"
    with pytest.raises(UsageError, match="build 9 of toy is not kept"):
        explain_past(toys.store, "toy", "read", 9)


def test_only_the_last_fifty_builds_are_kept(toys, source):
    from i2v3d.store.builds import BuildRecord, Builds

    builds = Builds(toys.store.root / "builds")
    for _ in range(1, 53):
        builds.write(BuildRecord(int(builds.new_name("toy").name), "toy", 0.0, {}))
    toys.build(toys.chain(source))
    assert builds.numbers("toy") == tuple(range(4, 54))
    assert not list(builds.folder("toy").glob("000003.*"))


def test_an_explanation_follows_a_change_through_a_step_that_was_cut_off(toys, source):
    def graph(weight, times):
        a = toys.join("a", "read", weight=weight)
        return toys.graph(toys.read("read", source), a, toys.join("b", "a"), toys.join("c", "b", times=times))

    toys.build(graph(1.0, 1))
    toys.build(graph(2.0, 3))
    then = explain_past(toys.store, "toy", "c", 2)
    assert [(cause.step, cause.change.field) for cause in then.causes] == [("c", "params.times")]
    assert explain(graph(2.0, 3), toys.store, "c").changes == ()


def test_the_plan_as_text(toys, source):
    toys.build(toys.fan(source, 4))
    plan = make_plan(toys.fan(source, 4, between="+"), toys.store)
    steps = plan_text(plan).splitlines()
    assert steps[0] == "up to date  read"
    assert steps[2] == "up to date  pair[0] ... pair[3]  x4"
    assert steps[3].startswith("will run    join  about 0.0 s  params.between '' -> '+'")
    assert steps[4] == "toy: 6 up to date, 1 will run"


def test_an_explanation_as_text(toys, source):
    toys.build(toys.chain(source, 3))
    source.write_text("other")
    text = explanation_text(
        explain(toys.chain(source, 3, times=2), toys.store, "join[2]"), lambda path: f"scene.yaml:7:3 {path}"
    )
    old, new = text.splitlines()[-1].split(": ")[2].split(" -> ")
    assert len(old) == len(new.split("  ")[0]) == 12
    assert text == (
        "join[2]: will run\n"
        "  changed since build 1:\n"
        "    params.times: 1 -> 2  [scene.yaml:7:3 steps.join[2].times]\n"
        f"    input texts: {text.splitlines()[3].split(': ')[1].split(' ')[0]} -> ?  (join[1].text)\n"
        "  because of:\n"
        f"    read: input source: {old} -> {new}\n"
    )


def test_a_build_of_a_part_does_not_hide_what_the_whole_was(toys, source):
    whole = toys.chain(source, 3)
    toys.build(whole)
    toys.build(whole.select(until=["read"]))
    assert reasons(toys, toys.chain(source, 3, times=2), "join[2]") == ("params.times 1 -> 2",)
