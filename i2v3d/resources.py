"""Where the files that travel with the code are: `templates/` and `schemas/`.

In a wheel they lie inside the package as `_templates` and `_schemas`; in a checkout (editable or
bare) they are the sibling folders of the package.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def templates_dir() -> Path:
    """Returns the folder of templates (`bpy/`, `report/`, `scenes/`)."""
    return _shipped("templates")


def schemas_dir() -> Path:
    """Returns the folder of generated JSON schemas."""
    return _shipped("schemas")


def _shipped(name: str) -> Path:
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name
