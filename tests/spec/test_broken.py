"""Every spec in `broken/` fails with exactly the problems that its head says.

The head of a file holds `# expect: line:column  path: message; hint`, one a problem, and `# means: key`
where the mistake is a typo. `python tests/spec/test_broken.py` rewrites the expectations; review the diff.
"""

from __future__ import annotations

import re
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from project import make_project

from i2v3d.errors import Problem, SpecError
from i2v3d.spec import load_scene

BROKEN = Path(__file__).parent / "broken"
SPECS = sorted(BROKEN.iterdir())


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("broken") / "project")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name.split(".")[0])
def test_a_broken_spec_gives_exactly_its_problems(spec, project):
    assert problems_of(spec, project) == expected(spec)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name.split(".")[0])
def test_every_problem_shows_the_line_as_written(spec, project):
    for problem in load_broken(spec, project):
        lines = problem.file.read_bytes().decode("utf-8", "replace").splitlines()
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.excerpt == (lines[problem.line - 1] if problem.line <= len(lines) else "")


def test_typos_get_the_right_suggestion():
    typos = [(spec, means) for spec in SPECS if (means := header(spec, "means"))]
    right = [spec for spec, (means,) in typos if any(f"did you mean `{means}`?" in line for line in expected(spec))]
    assert len(typos) >= 40
    assert len(right) >= 0.9 * len(typos), [spec.name for spec, _ in typos if spec not in right]


def test_the_corpus_is_large_and_reaches_into_templates():
    assert len(SPECS) >= 60
    assert sum(spec.suffix == ".j2" for spec in SPECS) >= 10


@cache
def load_broken(spec: Path, project: Path) -> tuple[Problem, ...]:
    copy = project / spec.name
    copy.write_bytes(spec.read_bytes())
    with pytest.raises(SpecError) as caught:
        load_scene(copy)
    return caught.value.problems


def problems_of(spec: Path, project: Path) -> list[str]:
    copy = project / spec.name
    return [str(p).removeprefix(f"{copy}:").replace(f"{project}/", "") for p in load_broken(spec, project)]


def header(spec: Path, name: str) -> list[str]:
    text = spec.read_bytes().decode("utf-8", "replace")
    return re.findall(rf"^# {name}: (.*)$", text, re.MULTILINE)


def expected(spec: Path) -> list[str]:
    return header(spec, "expect")


def _rewrite(spec: Path, project: Path) -> None:
    """Puts as many lines of expectations as there are problems, then their text: lines shift only once."""
    is_template = spec.suffix == ".j2"
    kept = [line for line in spec.read_bytes().split(b"\n") if not line.startswith((b"# expect: ", b"{#", b"#}"))]
    means = [line for line in kept if line.startswith(b"# means: ")]
    body = b"\n".join(line for line in kept if not line.startswith(b"# means: "))
    lines: list[bytes] = []
    for _ in range(4):
        head = [b"{#"] * is_template + [*means, *lines] + [b"#}"] * is_template
        spec.write_bytes(b"\n".join([*head, body]))
        load_broken.cache_clear()
        found = [b"# expect: " + problem.encode() for problem in problems_of(spec, project)]
        if found == lines:
            return
        lines = found
    raise SystemExit(f"{spec.name}: its problems change with its head")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for each in SPECS:
            _rewrite(each, make_project(Path(folder) / "project"))
