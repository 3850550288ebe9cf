"""The steps of a build over time."""

import pytest

from i2v3d.execute.finished import StepSpan
from i2v3d.report.page.timeline import timeline


def ran(step, start, end, lane):
    return StepSpan(step, step.partition("[")[0], "executed", start, end, lane, end - start)


def reused(step, seconds):
    return StepSpan(step, step.partition("[")[0], "reused", 0.1, 0.1, 0, seconds)


SPANS = [
    reused("prepare", 2.0),
    ran("render[0]", 0.0, 1.0, 1),
    ran("render[1]", 0.5, 2.0, 2),
    ran("encode", 2.0, 4.0, 1),
]


def test_lanes_hold_what_ran_in_them_at_its_place():
    line = timeline(SPANS, 4.0)
    assert [[(bar.step, bar.left, bar.width) for bar in lane] for lane in line.lanes] == [
        [("render[0]", 0.0, 25.0), ("encode", 50.0, 50.0)],
        [("render[1]", 12.5, 37.5)],
    ]


def test_totals_tell_what_ran_from_what_was_saved():
    line = timeline(SPANS, 4.0)
    assert (line.ran, line.reused, line.work_s, line.saved_s) == (3, 1, 4.5, 2.0)
    by_stage = {stage.stage: stage for stage in line.stages}
    assert list(by_stage) == ["prepare", "render", "encode"]
    assert (by_stage["render"].ran, by_stage["render"].ran_s, by_stage["render"].ran_share) == (2, 2.5, 100.0)
    assert (by_stage["prepare"].reused, by_stage["prepare"].saved_share) == (1, 80.0)


def test_a_step_that_begins_as_another_ends_is_not_beside_it():
    assert timeline(SPANS, 4.0).most_at_once == 2
    assert timeline([ran("a", 0, 1, 1), ran("b", 1, 2, 2)], 2.0).most_at_once == 1


@pytest.mark.parametrize("total", [0.03, 0.7, 4.0, 61.0, 4000.0, 400000.0])
def test_the_axis_has_a_few_round_marks(total):
    ticks = timeline([ran("a", 0, total, 1)], total).ticks
    assert 1 <= len(ticks) <= 9
    assert all(0 <= at <= 100 for at, _ in ticks)


def test_a_build_of_nothing_is_a_timeline_too():
    line = timeline([], 0.0)
    assert (line.lanes, line.stages, line.ran) == ((), (), 0)
