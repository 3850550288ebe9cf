"""The scene cache: what a renderer needs of the scene, frame by frame, read back from Blender.

`static/`: `scene.json` and a mesh folder per id. `states/NNNNNN.npz`: camera and transforms of a
frame, and world vertices of objects that deform. `cameras.json`: the camera for other programs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from lib.actions import FIRST_FRAME
from lib.build import Clip, Placed
from lib.frames import OPENCV_FROM_OPENGL, opencv_camera_pose

Array = NDArray[Any]

CONVENTIONS = {
    "world": "right-handed, Z up, metres; the ground is Z = 0",
    "opencv": "image_from_camera (3x3, pixels) and world_from_camera (4x4); camera axes: x right, y down, z forward",
    "opengl": "world_from_camera (4x4) as Blender and OpenGL have it; camera axes: x right, y up, z backward",
    "pixels": "continuous, x right, y down; (0, 0) is the outer corner of the first pixel, its centre is (0.5, 0.5)",
    "matrices": "a_from_b, row lists, act on column vectors",
    "frames": "counted from zero",
}


def write_static(folder: Path, assets: Path, placed: Sequence[Placed]) -> None:
    """Writes the unchanging part; ids that share a mesh folder share it here too."""
    (folder / "meshes").mkdir(parents=True)
    owners: dict[str, int] = {}
    entries = []
    for thing in sorted(placed, key=lambda thing: thing.id):
        owner = owners.setdefault(thing.assets, thing.id)
        if owner == thing.id:
            shutil.copytree(assets / thing.assets, folder / "meshes" / str(owner), copy_function=shutil.copyfile)
        entry = {"name": thing.name, "id": thing.id, "is_foreground": thing.id > 1, "mesh": f"meshes/{owner}"}
        if thing.joints is not None:
            entry["bones"] = [list(row) for row in zip(thing.joints.names, thing.joints.limits_deg, strict=True)]
        entries.append(entry)
    _write_json(folder / "scene.json", {"objects": entries})


def write_states(folder: Path, clip: Clip, placed: Sequence[Placed]) -> list[dict[str, Array]]:
    """Evaluates every frame in order, writes its state, and returns the states.

    Raises:
        ValueError: A matrix is not a number.
    """
    folder.mkdir(parents=True)
    ordered = sorted(placed, key=lambda thing: thing.id)
    states = []
    for frame in range(clip.frame_count):
        bpy.context.scene.frame_set(FIRST_FRAME + frame)
        state = _state(clip, ordered)
        for thing in ordered:
            if thing.joints is not None:
                state[f"bone_turns_{thing.id}"] = thing.joints.turns[frame]
        for name, array in state.items():
            if not np.isfinite(array).all():
                raise ValueError(f"frame {frame}: {name} is not a number")
        with (folder / f"{frame:06d}.npz").open("wb") as file:
            np.savez(file, **{name: state[name] for name in sorted(state)})
        states.append(state)
    return states


def write_cameras(file: Path, clip: Clip, states: Sequence[dict[str, Array]]) -> None:
    """Writes the camera of every frame in OpenCV's and in OpenGL's axes, both stated in words."""
    frames = [
        {
            "frame": frame,
            "time_s": frame / clip.fps,
            "opencv": {
                "image_from_camera": state["image_from_camera"].tolist(),
                "world_from_camera": state["world_from_camera"].tolist(),
            },
            "opengl": {"world_from_camera": (state["world_from_camera"] @ OPENCV_FROM_OPENGL).tolist()},
        }
        for frame, state in enumerate(states)
    ]
    resolution = {"width": clip.width, "height": clip.height}
    _write_json(file, {"conventions": CONVENTIONS, "fps": clip.fps, "resolution": resolution, "frames": frames})


def _state(clip: Clip, placed: Sequence[Placed]) -> dict[str, Array]:
    graph = bpy.context.evaluated_depsgraph_get()
    camera = bpy.context.scene.camera.evaluated_get(graph)
    state = {
        "image_from_camera": _image_from_camera(clip, camera.data),
        "world_from_camera": opencv_camera_pose(_rigid(_matrix(camera.matrix_world))),
        "transforms": np.stack([_matrix(thing.mesh_object.evaluated_get(graph).matrix_world) for thing in placed]),
    }
    if camera.data.dof.use_dof:
        state["depth_of_field"] = _depth_of_field(camera, graph)
    for thing in placed:
        if thing.mesh_object.modifiers or thing.mesh_object.data.shape_keys:
            state[f"vertices_{thing.id}"] = _world_vertices(thing, graph)
    return state


def _depth_of_field(camera: Any, graph: Any) -> Array:
    """Returns the distance that is sharp, along the view, and the diameter of the lens's opening, metres."""
    dof = camera.data.dof
    distance = dof.focus_distance
    if dof.focus_object is not None:
        way = dof.focus_object.evaluated_get(graph).matrix_world.translation - camera.matrix_world.translation
        distance = way.dot(camera.matrix_world.to_3x3().col[2].normalized()) * -1
    return np.array([max(distance, 1e-3), camera.data.lens / 1000.0 / dof.aperture_fstop])


def _matrix(matrix: Any) -> Array:
    return np.array([tuple(row) for row in matrix], dtype=np.float64)


def _rigid(matrix: Array) -> Array:
    """Returns the pose with an exact rotation: Blender's matrices hold float32."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    rigid = matrix.copy()
    rigid[:3, :3] = left @ right
    return rigid


def _image_from_camera(clip: Clip, data: Any) -> Array:
    focal_px = data.lens / data.sensor_width * clip.width
    centre_x_px = clip.width / 2 - data.shift_x * clip.width
    centre_y_px = clip.height / 2 + data.shift_y * clip.width
    return np.array([[focal_px, 0.0, centre_x_px], [0.0, focal_px, centre_y_px], [0.0, 0.0, 1.0]])


def _world_vertices(thing: Placed, graph: Any) -> Array:
    evaluated = thing.mesh_object.evaluated_get(graph)
    mesh = evaluated.to_mesh()
    count = len(thing.mesh_object.data.vertices) if thing.count is None else thing.count
    if len(mesh.vertices) != count:
        raise ValueError(f"{thing.name}: a modifier changes the number of vertices, which the scene cache can't hold")
    local = np.empty(count * 3, np.float32)
    mesh.vertices.foreach_get("co", local)
    evaluated.to_mesh_clear()
    world_from_object = _matrix(evaluated.matrix_world)
    points = local.reshape(-1, 3)
    if thing.corners is not None:
        points = points[thing.corners]
    world = points @ world_from_object[:3, :3].T + world_from_object[:3, 3]
    return np.ascontiguousarray(world, np.float32)


def _write_json(file: Path, document: Any) -> None:
    file.write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
