import ast
import math
import subprocess
import sys
from pathlib import Path

import jinja2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2v3d.blender.script import py_literal, render_script, shared_modules, write_lib
from i2v3d.resources import templates_dir

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
)


@given(value=PLAIN)
def test_a_literal_evaluates_to_its_value_and_is_plain_ascii(value):
    literal = py_literal(value)
    assert ast.literal_eval(literal) == value
    assert literal.isascii()
    assert "\n" not in literal


@pytest.mark.parametrize("value", [object(), Path("x"), np.float64(1.0), {1, 2}, b"x", 1j])
def test_what_is_not_plain_has_no_literal(value):
    with pytest.raises(TypeError, match="no literal"):
        py_literal(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, (1.0, -math.inf)])
def test_numbers_that_are_not_finite_have_no_literal(value):
    with pytest.raises(ValueError, match="no literal"):
        py_literal(value)


def test_a_value_that_is_missing_stops_the_template():
    with pytest.raises(jinja2.UndefinedError):
        render_script("scene.py.j2", {})


def test_every_value_in_a_template_goes_through_the_literal_filter():
    text = (templates_dir() / "bpy" / "scene.py.j2").read_text()
    holes = [hole.split("}}")[0].strip() for hole in text.split("{{")[1:]]
    assert holes
    # `field` is a field's name of our own dataclass, checked by the test of the scene script.
    assert [hole for hole in holes if not hole.endswith("| py") and hole != "field"] == []


def test_the_library_of_a_script_imports_nothing_of_the_package(tmp_path):
    write_lib(tmp_path)
    names = {file.stem for file in tmp_path.glob("*.py")}
    assert names >= {"actions", "build", "cache", "camera_path", "frames", "motion", "resolution"}
    for file in tmp_path.glob("*.py"):
        tree = ast.parse(file.read_text(), filename=file.name)
        for node in ast.walk(tree):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                assert not module.startswith("i2v3d"), f"{file.name} imports {module}"
                if module.startswith("lib."):
                    assert module.removeprefix("lib.") in names


@pytest.mark.slow
def test_the_library_is_typed_like_the_package(tmp_path):
    (tmp_path / "lib").mkdir()
    write_lib(tmp_path / "lib")
    (tmp_path / "render_passes.py").write_bytes((templates_dir() / "bpy" / "render_passes.py").read_bytes())
    settings = Path(__file__).resolve().parents[2] / "pyproject.toml"
    command = [sys.executable, "-m", "mypy", "--config-file", str(settings), "--explicit-package-bases"]
    run = subprocess.run(
        [*command, "lib", "render_passes.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout


def test_no_file_of_the_library_hides_a_shared_module():
    own = {file.stem for file in (templates_dir() / "bpy" / "lib").glob("*.py")}
    assert not own & set(shared_modules())
