"""Stages, one file each. `load_stages()` finds them all: this folder, then installed plug-ins."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from i2v3d.stages.base import Stage, registered

PIPELINE_ORDER = (
    "prepare",
    "segment",
    "layout",
    "inpaint",
    "background_views",
    "background_mesh",
    "mesh_file",
    "foreground_mesh",
    "text_mesh",
    "edit_mesh",
    "arrange",
    "rig",
    "file_rig",
    "motion_file",
    "clip",
    "camera_track",
    "scene_script",
    "assemble",
    "open_blend",
    "check",
    "preview",
    "render",
    "depth_range",
    "customize",
    "keyframes",
    "generate_keyframes",
    "interpolate",
    "generate_clip",
    "encode",
    "embed_frames",
    "appearance",
    "compare_depth",
    "depth_agreement",
    "read_video",
    "measure",
    "evaluate",
    "drawing_scale",
    "draw_photo",
    "draw_scene",
    "draw_passes",
    "draw_result",
)


PLUG_IN_GROUP = "i2v3d.stages"


@cache
def load_stages() -> Mapping[str, Stage]:
    """Returns every stage by kind, in pipeline order; plug-ins (entry points `i2v3d.stages`) come last."""
    for module in pkgutil.iter_modules(__path__):
        if module.name != "base":
            importlib.import_module(f"{__name__}.{module.name}")
    if _has_plug_ins():
        from importlib.metadata import entry_points

        for plug_in in entry_points(group=PLUG_IN_GROUP):
            plug_in.load()
    stages = registered()
    rank = {kind: index for index, kind in enumerate(PIPELINE_ORDER)}
    return {kind: stages[kind] for kind in sorted(stages, key=lambda kind: (rank.get(kind, len(rank)), kind))}


def _has_plug_ins() -> bool:
    """Whether an installed distribution names the group; importing `importlib.metadata` to ask costs 40 ms."""
    return any(
        f"[{PLUG_IN_GROUP}]" in file.read_text(encoding="utf-8", errors="replace")
        for folder in sys.path
        for file in Path(folder).glob("*.*-info/entry_points.txt")
    )
