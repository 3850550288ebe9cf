from __future__ import annotations

import pytest

from i2v3d.errors import GraphError
from i2v3d.store.code import CodeDigests, normalised_tokens

CODE = '''
"""Doc."""
import os


def f(a, b=1):
    """Doc of f."""
    return (a +
            b)  # sum
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Doc."""', '"""Another."""'),
        ('"""Doc."""\n', ""),
        ('    """Doc of f."""\n', ""),
        ("  # sum", ""),
        ("\n\n\n", "\n"),
        ("(a +\n            b)", "( a + b )"),
        ("    ", "  "),
        ("import os", "# why\nimport os"),
    ],
)
def test_comments_docstrings_and_layout_are_not_code(old, new):
    assert old in CODE
    assert normalised_tokens(CODE.replace(old, new).encode()) == normalised_tokens(CODE.encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("b=1", "b=2"),
        ("a +", "a -"),
        ("import os", "import sys"),
        ("    return", "    'text'\n    x = 'text'\n    return"),
        ("return (a +\n            b)", "return a\n    +b"),
        ("def f", "if 1:\n  pass\ndef f"),
    ],
)
def test_everything_else_is(old, new):
    assert old in CODE
    assert normalised_tokens(CODE.replace(old, new).encode()) != normalised_tokens(CODE.encode())


def write(toys, name, text):
    path = toys.package / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def modules(toys):
    """A stage module that reaches others in several ways."""
    write(toys, "top.py", "from toystages import near\nfrom .deep.far import name\nimport json, numpy\n")
    write(toys, "near.py", "def f():\n    import toystages.late\n")
    write(toys, "late.py", "x = 1\n")
    write(toys, "deep/__init__.py", "")
    write(
        toys,
        "deep/far.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from toystages import only\nname = 1\n",
    )
    write(toys, "only.py", "y = 1\n")
    write(toys, "stranger.py", "z = 1\n")
    return lambda: CodeDigests(toys.store.state).digest(["toystages.top"])


def test_the_digest_covers_what_is_imported_and_nothing_else(modules):
    code = modules()
    assert set(code.parts) >= {"toystages.top", "toystages.near", "toystages.deep.far", "toystages.late"}
    assert not set(code.parts) & {"toystages.only", "toystages.stranger"}
    assert code.foreign == ("numpy",)


@pytest.mark.parametrize("name", ["top.py", "near.py", "late.py", "deep/far.py"])
def test_an_edit_of_any_covered_module_changes_the_digest(toys, modules, name):
    before = modules()
    write(toys, name, (toys.package / name).read_text() + "more = 1\n")
    assert modules().digest != before.digest
    assert not before.is_unchanged()


def test_an_edit_elsewhere_or_of_comments_does_not(toys, modules):
    before = modules()
    write(toys, "only.py", "y = 2\n")
    write(toys, "stranger.py", "z = 2\n")
    write(toys, "late.py", "# a comment\nx = 1\n")
    assert modules().digest == before.digest


def test_code_that_is_not_python_is_a_clear_error(toys, modules):
    write(toys, "late.py", "def broken(:\n")
    with pytest.raises(GraphError, match=r"late.py: not valid Python"):
        modules()


def test_template_files_are_covered_byte_for_byte(toys, tmp_path):
    folder = tmp_path / "bpy"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "a.py").write_text("x = 1\n")
    before = CodeDigests(toys.store.state).digest(["toystages.runs"], [folder])
    assert "bpy/lib/a.py" in before.parts
    (folder / "lib" / "a.py").write_text("x = 1  # comments are delivered too\n")
    assert CodeDigests(toys.store.state).digest(["toystages.runs"], [folder]).digest != before.digest
