"""Reads the camera of a .blend frame by frame, or writes a .blend with an animated camera.

`camera_paths.py read FILE.blend OUT.json [--camera NAME]` and `camera_paths.py write IN.json FILE.blend`.
JSON: {"fps", "frames": [{"width", "height", "focal_px", "centre_px", "world_from_camera"}]} with Blender's camera
axes (x right, y up, z backward), Blender's world (right-handed, Z up) and metres. Files open with scripts off.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).resolve()
sys.path.insert(0, str(SCRIPT.parent))

import bpy  # noqa: E402
import mathutils  # noqa: E402
import numpy as np  # noqa: E402
from lib import actions, compat  # noqa: E402

SENSOR_MM = 36.0
STATED = "Made by i2v3d. World: right-handed, Z up, metres. Camera axes: x right, y up, z backward. Frames from 1."


def read(file: Path, name: str) -> dict[str, Any]:
    """Returns the cameras of the scene's frame range."""
    bpy.ops.wm.open_mainfile(filepath=str(file), load_ui=False, use_scripts=False)
    scene = bpy.context.scene
    cameras = sorted(thing.name for thing in scene.objects if thing.type == "CAMERA")
    camera = scene.objects.get(name) if name else scene.camera
    if camera is None or camera.type != "CAMERA":
        raise ValueError(f"there is no camera {name!r}; it has: {', '.join(cameras) or 'none'}")
    if camera.data.type != "PERSP":
        raise ValueError(f"{camera.name!r} is not a perspective camera")
    render = scene.render
    width = round(render.resolution_x * render.resolution_percentage / 100)
    height = round(render.resolution_y * render.resolution_percentage / 100)
    frames = []
    for frame in range(scene.frame_start, scene.frame_end + 1, max(1, scene.frame_step)):
        scene.frame_set(frame)
        graph = bpy.context.evaluated_depsgraph_get()
        evaluated = camera.evaluated_get(graph)
        pose = np.array([tuple(row) for row in evaluated.matrix_world], dtype=np.float64)
        pose[:3, :3] /= np.linalg.norm(pose[:3, :3], axis=0)
        # Blender's own projection knows sensor fit, shift and pixel aspect.
        view = evaluated.calc_matrix_camera(graph, x=width, y=height, scale_x=1.0, scale_y=1.0)
        projection = np.array([tuple(row) for row in view], dtype=np.float64)
        frames.append(
            {
                "width": width,
                "height": height,
                "focal_px": [projection[0, 0] * width / 2, projection[1, 1] * height / 2],
                "centre_px": [(1 - projection[0, 2]) * width / 2, (1 + projection[1, 2]) * height / 2],
                "world_from_camera": pose.tolist(),
            }
        )
    return {"fps": render.fps / render.fps_base / max(1, scene.frame_step), "frames": frames}


def write(document: dict[str, Any], file: Path) -> None:
    """Writes a .blend with one camera, a key for each frame."""
    compat.check_version()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene, frames = bpy.context.scene, document["frames"]
    scene.frame_start, scene.frame_end = 1, len(frames)
    scene.render.fps = max(1, round(document["fps"]))
    scene.render.fps_base = scene.render.fps / document["fps"]
    width, height = frames[0]["width"], frames[0]["height"]
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    scene.unit_settings.system = "METRIC"
    data = bpy.data.cameras.new("Camera")
    data.sensor_fit, data.sensor_width = "HORIZONTAL", SENSOR_MM
    camera = bpy.data.objects.new("Camera", data)
    camera["conventions"] = STATED
    camera.rotation_mode = "QUATERNION"
    scene.collection.objects.link(camera)
    scene.camera = camera
    places, turns, lenses = [], [], []
    before = None
    for entry in frames:
        pose = mathutils.Matrix(entry["world_from_camera"])
        turn = pose.to_quaternion()
        if before is not None and turn.dot(before) < 0:
            turn.negate()
        before = turn
        places.append(tuple(pose.translation))
        turns.append(tuple(turn))
        centre_x, centre_y = entry["centre_px"]
        lenses.append(
            (
                entry["focal_px"][0] / width * SENSOR_MM,
                (width / 2 - centre_x) / width,
                (centre_y - height / 2) / width,
            )
        )
    values = np.array(lenses)
    data.lens, data.shift_x, data.shift_y = lenses[0]
    camera.location, camera.rotation_quaternion = places[0], turns[0]
    actions.bake(camera, "Camera path", [("location", np.array(places)), ("rotation_quaternion", np.array(turns))])
    if np.ptp(values, axis=0).any():
        names = ("lens", "shift_x", "shift_y")
        actions.bake(data, "Camera zoom", [(name, values[:, [i]]) for i, name in enumerate(names)])
    bpy.ops.wm.save_as_mainfile(filepath=str(file), compress=True, relative_remap=False)


def main() -> None:
    """Does what the command line asks for."""
    parser = argparse.ArgumentParser(prog=SCRIPT.name, description="Camera paths of Blender files.")
    parser.add_argument("do", choices=("read", "write"))
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--camera", default="", help="which camera (default: the scene's)")
    parser.add_argument("--result", type=Path, required=True, help="JSON file that says that it is done")
    known = parser.parse_args()
    if known.do == "read":
        known.target.write_text(json.dumps(read(known.source.resolve(), known.camera)), encoding="utf-8")
    else:
        write(json.loads(known.source.read_text(encoding="utf-8")), known.target.resolve())
    known.result.write_text(json.dumps({"status": "done"}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
