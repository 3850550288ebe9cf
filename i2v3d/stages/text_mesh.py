"""Makes letters with depth: set by Blender, upright, facing the photo, shaded by the way each face looks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.scene import Mesh, MeshData, NpzFile
from i2v3d.blender.run import run_script
from i2v3d.geometry.frames import Array
from i2v3d.resources import templates_dir
from i2v3d.spec.resolved import TextShape, Vector
from i2v3d.stages.base import Node, Resources, SourceFile, WorkDir, stage
from i2v3d.stages.edit_mesh import needed_meshes

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_SHADES = 16
_TEXEL = 8


@dataclass(frozen=True)
class Inputs:
    """The font, or None for Blender's own."""

    font: Path | None


@dataclass(frozen=True)
class Params:
    """The letters; height_m of all lines together, None for lines of one metre; pivot as of a mesh file."""

    shape: TextShape
    height_m: float | None
    pivot_m: Vector


@dataclass(frozen=True)
class Outputs:
    """The mesh, its base on the middle of the first and last letter."""

    mesh: Mesh


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields one node per text that is needed."""
    needed = needed_meshes(scene)
    for thing in scene.objects:
        if isinstance(thing.shape, TextShape) and thing.copy_of is None and thing.name in needed:
            font, path = thing.shape.font, f"{thing.spec_path}.mesh.text"
            yield Node(
                name=f"text_mesh[{thing.name}]",
                stage="text_mesh",
                params=Params(replace(thing.shape, font=None), thing.height_m, thing.pivot_m),
                inputs={"font": None if font is None else SourceFile(font, f"{path}.font")},
                origins={"shape": path, "height_m": f"{thing.spec_path}.height", "font": f"{path}.font"},
            )


@stage(
    "text_mesh",
    version=1,
    nodes=nodes,
    resources=Resources(memory_gb=0.6, timeout_s=180.0),
    templates=("bpy",),
    requires=("bpy",),
)
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Sets the text in a Blender of its own."""
    script, made = work.path / "text.py", work.path / "letters.npz"
    shutil.copyfile(templates_dir() / "bpy" / "text_mesh.py", script)
    wanted = {
        "content": params.shape.content,
        "font": None if inputs.font is None else str(inputs.font),
        "height_m": params.height_m,
        "depth_m": params.shape.depth_m,
    }
    (work.path / "text.json").write_text(json.dumps(wanted), encoding="utf-8")
    run_script(
        script,
        ["--text", str(work.path / "text.json"), "--out", str(made)],
        work_dir=work.path,
        timeout_s=120.0,
    )
    arrays = NpzFile(made).read_arrays()
    outputs = Outputs(Mesh(work.output("mesh")))
    outputs.mesh.write(shaded(arrays["vertices_m"] - np.array(params.pivot_m), arrays["faces"]))
    return outputs


def shaded(vertices_m: Array, faces: Array) -> MeshData:
    """Returns a pale mesh whose texture holds shades for the way its faces look: lit from the upper left front."""
    corners = vertices_m[faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    kept = length[:, 0] > 1e-12
    corners, normals = corners[kept], normals[kept] / length[kept]
    light = np.array([-0.45, -0.65, 0.6])
    lit = np.clip(0.5 + 0.5 * normals @ (light / np.linalg.norm(light)), 0, 1)
    shade = np.rint(lit * (_SHADES - 1)).astype(int)
    s = np.repeat((shade + 0.5) / _SHADES, 3)
    texcoords = np.stack([s, np.full_like(s, 0.5), np.ones_like(s)], axis=1)
    rows, index = np.unique(
        np.hstack([corners.reshape(-1, 3), texcoords]).astype(np.float32), axis=0, return_inverse=True
    )
    tones = np.rint(90 + 155 * np.arange(_SHADES) / (_SHADES - 1)).astype(np.uint8)
    texture = np.full((_TEXEL, _SHADES * _TEXEL, 4), 255, np.uint8)
    texture[..., :3] = np.repeat(tones, _TEXEL)[None, :, None]
    triangles = index.reshape(-1, 3).astype(np.int32)
    unlike = (
        (triangles[:, 0] != triangles[:, 1])
        & (triangles[:, 1] != triangles[:, 2])
        & (triangles[:, 2] != triangles[:, 0])
    )
    return MeshData(rows[:, :3], triangles[unlike], rows[:, 3:], texture, np.zeros(texture.shape[:2], np.uint8))
