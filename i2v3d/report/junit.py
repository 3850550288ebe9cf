"""JUnit XML, as Jenkins, GitHub and GitLab read it: a suite for each scene, a case for each thing that was checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from i2v3d.report.check_cases import Case

# What XML 1.0 can't hold, escaped or not.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Suite:
    """The cases of one scene.

    Attributes:
        name: Of the scene, or of the spec that could not be read.
        spec: File of the spec, as it was given.
    """

    name: str
    spec: str
    cases: tuple[Case, ...]
    seconds: float


def junit_xml(suites: Sequence[Suite]) -> str:
    """Returns the document."""
    root = ElementTree.Element("testsuites")
    cases = [case for suite in suites for case in suite.cases]
    _counts(root, cases, sum(suite.seconds for suite in suites))
    for suite in suites:
        element = ElementTree.SubElement(root, "testsuite", name=_clean(suite.name), file=_clean(suite.spec))
        _counts(element, suite.cases, suite.seconds)
        # The time of a build can't be told apart by case: it goes to the first.
        for index, case in enumerate(suite.cases):
            seconds = suite.seconds if index == 0 else 0.0
            _case(element, suite, case, seconds)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _counts(element: ElementTree.Element, cases: Sequence[Case], seconds: float) -> None:
    by_status = {status: sum(case.status == status for case in cases) for status in ("failed", "error", "skipped")}
    element.set("tests", str(len(cases)))
    element.set("failures", str(by_status["failed"]))
    element.set("errors", str(by_status["error"]))
    if element.tag == "testsuite":
        element.set("skipped", str(by_status["skipped"]))
    element.set("time", f"{seconds:.3f}")


def _case(parent: ElementTree.Element, suite: Suite, case: Case, seconds: float) -> None:
    element = ElementTree.SubElement(
        parent,
        "testcase",
        name=_clean(case.name),
        classname=_clean(f"{suite.name}.{case.group}"),
        time=f"{seconds:.3f}",
    )
    said = _clean(f"{case.place}  {case.message}".strip())
    if case.status in ("failed", "error"):
        tag = "failure" if case.status == "failed" else "error"
        below = ElementTree.SubElement(element, tag, message=said, type=case.group)
        below.text = said
    elif case.status == "skipped":
        ElementTree.SubElement(element, "skipped", message=said)
    else:
        ElementTree.SubElement(element, "system-out").text = said


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
