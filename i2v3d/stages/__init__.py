"""Stages, one file each. `load_stages()` finds them all: this folder, then installed plug-ins."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from i2v3d.stages.base import Stage, registered

PIPELINE_ORDER = (
    "prepare",
    "segment",
    "layout",
    "inpaint",
    "background_views",
    "background_mesh",
    "foreground_mesh",
    "text_mesh",
    "edit_mesh",
    "arrange",
    "scene_script",
    "assemble",
    "open_blend",
    "check",
    "render",
    "keyframes",
    "interpolate",
    "encode",
)


@cache
def load_stages() -> Mapping[str, Stage]:
    """Returns every stage by kind, in pipeline order; plug-ins (entry points `i2v3d.stages`) come last."""
    for module in pkgutil.iter_modules(__path__):
        if module.name != "base":
            importlib.import_module(f"{__name__}.{module.name}")
    for plug_in in entry_points(group="i2v3d.stages"):
        plug_in.load()
    stages = registered()
    rank = {kind: index for index, kind in enumerate(PIPELINE_ORDER)}
    return {kind: stages[kind] for kind in sorted(stages, key=lambda kind: (rank.get(kind, len(rank)), kind))}
