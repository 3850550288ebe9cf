"""The scene spec: model, YAML with positions, units, templating, resolving, JSON schema.

`load_scene` is the way in. Nothing heavy is imported before it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from i2v3d.spec.load import LoadedScene, load_scene

__all__ = ["LoadedScene", "load_scene"]


def __getattr__(name: str) -> Any:  # Any: a module attribute
    if name in __all__:
        from i2v3d.spec import load

        return getattr(load, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
