"""A spec that uses every section loads, and no edit of it, however wild, breaks the reader."""

import random
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from project import make_project

from i2v3d.errors import SpecError
from i2v3d.spec import load_scene
from i2v3d.spec.model import Spec

WHOLE = (Path(__file__).parent / "whole_language.yaml").read_text()
BITS = [*"{}[]:,-#&*!|>'\"%@`$\t\n", "\n  ", "- ", ": ", "null", "yes", "0x", "1e999", "-1", "${far}", "&a ", "*a", "é"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("whole") / "project")


def test_every_section_loads_and_what_is_not_possible_yet_is_named(project):
    (project / "scene.yaml").write_text(WHOLE)
    loaded = load_scene(project)
    assert {key for key in Spec.known_keys() if f"\n{key}:" in WHOLE} >= set(Spec.known_keys()) - {
        "description",
        "include",
        "scene",
    }
    assert [problem.path for problem in loaded.unavailable] == [
        "objects.gone.mesh",
    ]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_a_mangled_spec_gives_problems_with_lines_or_loads(project, seed):
    file = project / "mangled.yaml"
    file.write_text(mangled(seed))
    try:
        load_scene(file)
    except SpecError as error:
        assert error.problems
        assert all(problem.line >= 1 and problem.message for problem in error.problems)


def mangled(seed):
    chance = random.Random(seed)
    text = WHOLE
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(text))
        lines = text.splitlines(keepends=True)
        match chance.randrange(5):
            case 0:
                text = text[:place] + chance.choice(BITS) + text[place:]
            case 1:
                text = text[:place] + text[place + chance.randint(1, 8) :]
            case 2:
                lines.pop(chance.randrange(len(lines)))
                text = "".join(lines)
            case 3:
                lines.insert(chance.randrange(len(lines)), chance.choice(lines))
                text = "".join(lines)
            case _:
                words = text.split(" ")
                words[chance.randrange(len(words))] = chance.choice(BITS)
                text = " ".join(words)
    return text
