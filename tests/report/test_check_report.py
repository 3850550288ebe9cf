from pathlib import Path
from xml.etree import ElementTree

import pytest

from i2v3d.artifacts.metrics import Measured
from i2v3d.errors import StageError
from i2v3d.execute.build import BuildResult
from i2v3d.execute.regression import CheckOptions, HeldBound, SceneCheck
from i2v3d.execute.take_print import CameraTrouble
from i2v3d.geometry.scene_checks import Finding
from i2v3d.metrics.compare_clips import ClipComparison
from i2v3d.metrics.comparison import Comparison
from i2v3d.report.check_cases import cases_of
from i2v3d.report.check_files import suite_of
from i2v3d.report.check_sentences import sentence
from i2v3d.report.check_text import check_text
from i2v3d.report.junit import Suite, junit_xml
from i2v3d.spec.resolved_expect import Bound


def result(failures=None):
    return BuildResult({}, (), (), (), failures or {}, {}, Path(), 1)


def a_check(comparisons=(), **changes):
    comparison = ClipComparison(tuple(comparisons), (0, 1)) if comparisons else None
    values = {"scene": "small", "spec": Path("scene.yaml"), "folder": Path("baseline/small"), "build": result()}
    return SceneCheck(**{**values, "comparison": comparison, **changes})


def held(value, relation=">=", limit=0.9, reason=""):
    measured = None if value is None else Measured("ssim_to_render", value, "higher", frames=(value, value + 0.1))
    return HeldBound(
        Bound("ssim_to_render", relation, limit, "expect.ssim_to_render"), "scene.yaml:7:3", measured, reason
    )


SHIFT = Comparison("shift", "hero", 2.0, 0.8, "px", 1, (0.1, 2.0), {"x": 2.0, "y": 0.1})
COLOUR = Comparison("colour", "", 3.1, 1.8, "%", 0, (3.1, 2.9), {"red": 1.4, "green": 0.0, "blue": 0.0})


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (SHIFT, "`hero` is shifted by 2 px to the right in frame 1"),
        (
            COLOUR,
            "the colours of the whole picture are off by 3.1 %: red +1.4 % of white, in frame 0 (and in 1 other frame)",
        ),
        (
            Comparison(
                "time", "", 1.0, 0.5, "frames", 31, (), {"kind": "dropped", "shown": 32, "count": 1, "jumps": 1}
            ),
            "frame 31 looks like frame 32 of the baseline: one frame was dropped before it",
        ),
        (
            Comparison("format", "frames", 1.0, 0.5, "", detail={"was": "61 frames", "now": "60 frames"}),
            "the clip has 60 frames; the baseline has 61 frames",
        ),
        (Comparison("presence", "hero", 1.0, 0.5, "", 3, (), {"was": "there"}), "`hero` is gone in frame 3"),
    ],
)
def test_what_is_off_is_said_in_a_sentence(one, said):
    assert sentence(one) == said


def test_the_worst_is_told_first():
    cases = cases_of(a_check([COLOUR, SHIFT]))
    assert [(case.name, case.status) for case in cases] == [("shift[hero]", "failed"), ("colour", "failed")]


def test_a_bound_is_told_with_its_line_value_and_worst_frame():
    text = check_text(a_check(bounds=(held(0.5),)), None)
    assert "1 of 1 check failed" in text
    assert "ssim_to_render >= 0.9  scene.yaml:7:3  ssim_to_render is 0.5, worst in frame 0 (0.5)" in text


def test_a_bound_on_what_was_not_measured_fails_and_says_why():
    check = a_check(bounds=(held(None, reason="needs a model"),))
    assert check.is_failure
    assert "was not measured: needs a model" in check_text(check, None)


def test_a_bound_that_holds_passes():
    assert not a_check(bounds=(held(0.95),)).is_failure


def test_the_camera_outside_the_scene_fails_only_where_that_is_asked_for():
    troubles = (CameraTrouble(4, "behind the backdrop"),)
    assert not a_check(troubles=troubles).is_failure
    check = a_check(troubles=troubles, camera_place="scene.yaml:9:3")
    assert check.is_failure
    assert "scene.yaml:9:3  the camera is behind the backdrop in frame 4" in check_text(check, None)


def test_findings_are_told_and_fail_only_where_none_are_expected():
    findings = (Finding("leaves", 7, "`hero` has left the picture in frame 7", "shorten its way"),)
    check = a_check(findings=findings)
    assert not check.is_failure
    assert "found: `hero` has left the picture in frame 7; shorten its way" in check_text(check, None)
    assert a_check(findings=findings, findings_place="scene.yaml:9:3").is_failure


def test_an_update_tells_what_changes_and_does_not_fail():
    check = a_check([SHIFT], options=CheckOptions(is_update=True), written=1234)
    assert not check.is_failure
    assert "baseline/small: 0 frames, 1.2 kB" in check_text(check, None)


def test_a_build_that_failed_is_an_error_of_its_step():
    check = a_check(build=result({"assemble": StageError("assemble: the camera is inside `hero` in frame 3")}))
    (case,) = cases_of(check)
    assert (case.status, case.name, case.message) == ("error", "assemble", "the camera is inside `hero` in frame 3")
    assert check.is_failure


def test_junit_escapes_what_people_write_and_drops_what_xml_can_not_hold():
    check = a_check(bounds=(held(None, reason='</failure>&"\x00\x1b[31m'),), scene="a<b>&\"c'")
    text = junit_xml([suite_of(check, Path("sp&c.yaml"))])
    root = ElementTree.fromstring(text.encode())
    suite = root[0]
    assert suite.get("name") == "a<b>&\"c'"
    assert '</failure>&"\ufffd\ufffd[31m' in suite[0][0].get("message")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["2", "1", "0", "1"]


def test_no_suites_are_a_document_too():
    assert ElementTree.fromstring(junit_xml([Suite("x", "x", (), 0.0)]).encode())[0].get("tests") == "0"
