"""Renders frames of a scene cache with Cycles; talks JSON lines with the program that started it.

Requests: {"do": "show", "static", "key", "here", "after", "before", "width", "height"} puts a frame in
place. {"do": "data", "file"} writes an OpenEXR file with what one sample at each pixel's centre sees:
colour, depth, object index, `next` and `previous` (where the seen point of the surface is in the frames
around, world metres) and `observed`. {"do": "smooth", "file", "samples", "border"} writes the colour at
several samples a pixel within a border (left, bottom, right, top, as shares of the picture). {"do": "blurred",
"file", "samples", "focus_m", "aperture_m"} writes the whole colour through an open lens.
The answer is {"status": "done"} or {"status": "failed", "message"}.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

# Blender writes its log to file descriptor 1: keep that for the answers, and send the log where errors go.
ANSWERS = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
sys.path.insert(0, str(Path(__file__).resolve().parent))

import bpy  # noqa: E402
import mathutils  # noqa: E402
import numpy as np  # noqa: E402
from lib import build, compat, meshes  # noqa: E402
from lib.frames import OPENCV_FROM_OPENGL  # noqa: E402
from lib.materials import image_node, math_node, projective_coordinates  # noqa: E402

POINTS = ("next", "previous")


class Scene:
    """A scene cache as Blender objects, whose vertices are put in world coordinates for each frame."""

    def __init__(self, static: Path, width: int, height: int) -> None:
        """Loads the objects."""
        self.scene = build.new_scene(build.Clip("passes", 24.0, 1, width, height))
        entries = json.loads((static / "scene.json").read_text(encoding="utf-8"))["objects"]
        self.things = [self._load(static, entry) for entry in sorted(entries, key=lambda entry: int(entry["id"]))]
        data = bpy.data.cameras.new("Camera")
        data.sensor_fit, data.sensor_width = "HORIZONTAL", build.SENSOR_MM
        data.clip_start, data.clip_end = 1e-3, 1e7
        self.scene.camera = bpy.data.objects.new("Camera", data)
        self.scene.collection.objects.link(self.scene.camera)
        self._set_up_passes()

    def _load(self, static: Path, entry: dict[str, Any]) -> tuple[int, Any, Any]:
        folder = static / entry["mesh"]
        mesh = meshes.load_mesh(folder, entry["name"])
        for name in POINTS:
            mesh.attributes.new(f"position_{name}", "FLOAT_VECTOR", "POINT")
        observed = meshes.load_image(folder / "observed.png", f"{entry['name']} observed")
        observed.colorspace_settings.name = "Non-Color"
        _add_outputs(mesh.materials[0].node_tree, observed)
        thing = bpy.data.objects.new(entry["name"], mesh)
        thing.pass_index = entry["id"]
        self.scene.collection.objects.link(thing)
        rest = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", rest)
        return entry["id"], thing, rest.reshape(-1, 3).astype(np.float64)

    def _set_up_passes(self) -> None:
        layer = self.scene.view_layers[0]
        layer.use_pass_z = layer.use_pass_object_index = True
        layer.pass_alpha_threshold = 0.5
        for name, kind in (*((name, "COLOR") for name in POINTS), ("observed", "VALUE")):
            aov = layer.aovs.add()
            aov.name, aov.type = name, kind
        cycles, render = self.scene.cycles, self.scene.render
        cycles.use_adaptive_sampling = cycles.use_animated_seed = False
        cycles.seed = 0
        cycles.pixel_filter_type = "BOX"
        cycles.filter_width = 1.0
        # Fewer unconditional bounces, and paths would end at random in soft edges.
        cycles.transparent_max_bounces = cycles.min_transparent_bounces = 32
        render.use_persistent_data = True
        render.use_stamp_date = render.use_stamp_time = render.use_stamp_render_time = False
        compat.use_multilayer_exr(render.image_settings)

    def show(self, here: Path, after: Path, before: Path) -> None:
        """Puts camera and vertices where this frame has them, and the attributes where its neighbours do."""
        states = [_read(file) for file in (here, after, before)]
        for index, (object_id, thing, rest) in enumerate(self.things):
            now, then, once = (_world_vertices(state, index, object_id, rest) for state in states)
            mesh = thing.data
            mesh.vertices.foreach_set("co", now.ravel())
            for name, points in zip(POINTS, (then, once), strict=True):
                mesh.attributes[f"position_{name}"].data.foreach_set("vector", points.ravel())
            mesh.update()
        self._aim(states[0])

    def _aim(self, state: dict[str, Any]) -> None:
        k, render = state["image_from_camera"], self.scene.render
        width, height = render.resolution_x, render.resolution_y
        camera = self.scene.camera
        camera.data.lens = k[0, 0] / width * build.SENSOR_MM
        camera.data.shift_x = (width / 2 - k[0, 2]) / width
        camera.data.shift_y = (k[1, 2] - height / 2) / width
        camera.matrix_world = mathutils.Matrix((state["world_from_camera"] @ OPENCV_FROM_OPENGL).tolist())

    def render_blurred(self, file: str, samples: int, focus_m: float, aperture_m: float) -> None:
        """Renders through a lens of this opening that is focused at this distance, metres."""
        lens = self.scene.camera.data
        lens.dof.use_dof, lens.dof.focus_distance = True, focus_m
        lens.dof.aperture_fstop = lens.lens / 1000.0 / aperture_m
        self.render(file, samples, None)
        lens.dof.use_dof = False

    def render(self, file: str, samples: int, border: list[float] | None) -> None:
        """Renders into an OpenEXR file."""
        render = self.scene.render
        self.scene.cycles.samples = samples
        render.use_border = border is not None
        if border is not None:
            render.border_min_x, render.border_min_y, render.border_max_x, render.border_max_y = border
        render.filepath = file
        bpy.ops.render.render(write_still=True)
        if not Path(file).is_file():
            raise RuntimeError(f"Cycles wrote no {Path(file).name}")


class Studio:
    """Answers requests; keeps the scene that it was asked for last."""

    def __init__(self) -> None:
        """Starts with no scene."""
        self._scene: Scene | None = None
        self._loaded: tuple[Any, ...] = ()

    def answer(self, request: dict[str, Any]) -> None:
        """Does what one request says."""
        if request["do"] == "show":
            wanted = (request["key"], request["width"], request["height"])
            if self._scene is None or wanted != self._loaded:
                self._scene = Scene(Path(request["static"]), request["width"], request["height"])
                self._loaded = wanted
            self._scene.show(*(Path(request[name]) for name in ("here", "after", "before")))
            return
        if self._scene is None:
            raise ValueError("nothing is shown yet")
        if request["do"] == "data":
            self._scene.render(request["file"], 1, None)
        elif request["do"] == "blurred":
            self._scene.render_blurred(request["file"], request["samples"], request["focus_m"], request["aperture_m"])
        else:
            self._scene.render(request["file"], request["samples"], request["border"])


def _add_outputs(tree: Any, observed: Any) -> None:
    """Adds the shader outputs; a surface that does not count here writes zero, since Cycles adds up what it passes."""
    picture = next(node for node in tree.nodes if node.type == "TEX_IMAGE")
    is_solid = math_node(tree, "GREATER_THAN", picture.outputs["Alpha"], 0.4999)
    for name in POINTS:
        attribute = tree.nodes.new("ShaderNodeAttribute")
        attribute.attribute_name = f"position_{name}"
        scale = tree.nodes.new("ShaderNodeVectorMath")
        scale.operation = "SCALE"
        tree.links.new(attribute.outputs["Vector"], scale.inputs[0])
        tree.links.new(is_solid, scale.inputs["Scale"])
        output = tree.nodes.new("ShaderNodeOutputAOV")
        output.aov_name = name
        tree.links.new(scale.outputs[0], output.inputs["Color"])
    seen = image_node(tree, observed, projective_coordinates(tree))
    output = tree.nodes.new("ShaderNodeOutputAOV")
    output.aov_name = "observed"
    tree.links.new(math_node(tree, "MULTIPLY", seen.outputs["Color"], is_solid), output.inputs["Value"])


def _read(file: Path) -> dict[str, Any]:
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _world_vertices(state: dict[str, Any], index: int, object_id: int, rest: Any) -> Any:
    if f"vertices_{object_id}" in state:
        return np.ascontiguousarray(state[f"vertices_{object_id}"], np.float32)
    pose = state["transforms"][index]
    return np.ascontiguousarray(rest @ pose[:3, :3].T + pose[:3, 3], np.float32)


def main() -> None:
    """Answers requests until there are no more."""
    studio = Studio()
    for line in sys.stdin:
        try:
            studio.answer(json.loads(line))
            answer = {"status": "done"}
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            answer = {"status": "failed", "message": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=ANSWERS, flush=True)  # the protocol


if __name__ == "__main__":
    main()
