from __future__ import annotations

import json

from i2v3d.execute.build import BuildOptions, build
from i2v3d.execute.determinism import check_determinism
from i2v3d.execute.events import (
    BuildFinished,
    BuildStarted,
    Delivered,
    StepFinished,
    StepProgress,
    StepStarted,
    StepWarned,
)


def test_the_events_of_a_build_tell_its_story_in_order(toys, source):
    events = []
    build(toys.chain(source, 2), toys.store, BuildOptions(out_dir=toys.out, jobs=1), events.append)
    assert [type(event) for event in events] == [
        BuildStarted,
        StepStarted,
        StepFinished,
        StepStarted,
        StepProgress,
        StepFinished,
        Delivered,
        BuildFinished,
    ]
    assert events[0].step_count == 2
    assert (events[4].step, events[4].share, events[4].message) == ("join[1]", 0.5, "half")
    assert (events[-1].executed, events[-1].reused, events[-1].failed) == (2, 0, 0)


def test_every_build_leaves_its_events_and_a_trace(toys, source):
    result = toys.build(toys.chain(source, 2))
    lines = (result.log_dir / f"{result.number:06d}.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines][-1] == "BuildFinished"
    trace = json.loads((result.log_dir / f"{result.number:06d}.trace.json").read_text())
    assert {bar["name"] for bar in trace["traceEvents"] if bar["ph"] == "X"} == {"read", "join[1]"}


def test_estimates_come_from_the_last_build(toys, source):
    events = []
    build(toys.chain(source, 2), toys.store, BuildOptions(jobs=1), events.append)
    assert events[0].expected_s is None
    source.write_text("other")
    build(toys.chain(source, 2), toys.store, BuildOptions(jobs=1), events.append)
    assert [event for event in events if isinstance(event, BuildStarted)][1].expected_s > 0


def test_a_rerun_of_a_deterministic_step_is_equal_and_of_another_is_not(toys, source):
    graph = toys.chain(source)
    toys.build(graph)
    (comparison,) = check_determinism(graph, toys.store, ["join[2]"])
    assert comparison.is_equal  # its volatile output differs, and is not compared
    toys.edit_code("join", "out.path.write_text((text", "out.path.write_text((str(time.time_ns()) + text")
    toys.edit_code("join", "from pathlib", "import time\nfrom pathlib")
    toys.build(graph)
    comparisons = check_determinism(graph, toys.store, ["join"])
    assert [comparison.differing for comparison in comparisons] == [("text",)] * 3
    assert toys.build(graph).executed == ()


def test_a_warning_is_kept_with_the_result_and_told_again_when_it_is_reused(toys, source):
    toys.edit_code("join", 'work.progress(0.5, "half")', 'work.warn("mind the gap", field="times")')
    told = []
    for expected in (("read", "join[1]"), ()):
        events = []
        result = build(toys.chain(source, 2), toys.store, BuildOptions(jobs=1), events.append)
        assert result.executed == expected
        told.append([(event.step, event.message, event.spec_path) for event in events if isinstance(event, StepWarned)])
    assert told == [[("join[1]", "mind the gap", "steps.join[1].times")]] * 2
