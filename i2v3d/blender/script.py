"""Generated Blender scripts: template text and checked literals in, a folder with `scene.py` and `lib/` out.

Values enter generated Python only through the `py` filter, which writes literals of plain types, so a
name such as `"); import os` stays a name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2v3d.resources import templates_dir

if TYPE_CHECKING:
    import jinja2

# Modules of `i2v3d.geometry` that lib/ imports; they and what they import of their own package are copied.
_SHARED_MODULES = ("camera_path", "camera_rig", "follow_through", "frames", "motion", "rig_skin")
_OWN_IMPORT = re.compile(r"^from i2v3d\.geometry\.(\w+) import", re.MULTILINE)


def py_literal(value: Any) -> str:  # Any: refused unless plain
    """Returns the Python literal of None, bool, int, finite float, str, or tuples, lists and dicts of them.

    Raises:
        TypeError: The value is of another type.
        ValueError: A float is not finite.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} has no literal")
    if value is None or type(value) in (bool, int, float, str):
        return ascii(value)
    if type(value) is tuple:
        return f"({', '.join(map(py_literal, value))}{',' if len(value) == 1 else ''})"
    if type(value) is list:
        return f"[{', '.join(map(py_literal, value))}]"
    if type(value) is dict:
        return "{" + ", ".join(f"{py_literal(key)}: {py_literal(item)}" for key, item in value.items()) + "}"
    raise TypeError(f"a {type(value).__name__} has no literal in a generated script")


def render_script(template: str, values: Mapping[str, Any]) -> str:
    """Returns the text of a template of `templates/bpy` with its values filled in."""
    return _environment().get_template(template).render(**values)


def write_script(folder: Path, template: str, values: Mapping[str, Any]) -> None:
    """Writes `scene.py` and the `lib/` it imports into a new folder."""
    text = render_script(template, values)
    compile(text, "scene.py", "exec")  # a slip in a template shows here, not in a Blender log
    (folder / "lib").mkdir(parents=True)
    (folder / "scene.py").write_text(text, encoding="utf-8")
    write_lib(folder / "lib")


def write_lib(folder: Path) -> None:
    """Writes the modules that generated scripts import into an existing folder."""
    for source in sorted((templates_dir() / "bpy" / "lib").glob("*.py")):
        (folder / source.name).write_bytes(source.read_bytes())
    for name, text in shared_modules().items():
        (folder / f"{name}.py").write_text(text.replace("from i2v3d.geometry.", "from lib."), encoding="utf-8")


def shared_modules() -> dict[str, str]:
    """Returns the text of each module of `i2v3d.geometry` that scripts need too, by name."""
    geometry = Path(__file__).resolve().parent.parent / "geometry"
    texts: dict[str, str] = {}
    wanted = list(_SHARED_MODULES)
    while wanted:
        name = wanted.pop()
        if name not in texts:
            texts[name] = (geometry / f"{name}.py").read_text(encoding="utf-8")
            wanted.extend(_OWN_IMPORT.findall(texts[name]))
    return dict(sorted(texts.items()))


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir() / "bpy"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # the output is Python; every value goes through `py`
    )
    environment.filters = {"py": py_literal}  # no other: no string building in a template
    return environment
