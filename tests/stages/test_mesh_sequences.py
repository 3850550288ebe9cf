"""Meshes that change over time, through Blender: the scene cache has each frame's vertices, and pictures follow."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import trimesh

from i2v3d.artifacts.motion import MeshFrames
from i2v3d.artifacts.scene import Blend, CameraTrack, FrameStates, Glb, Layout, Mesh, SceneStatic, Script
from i2v3d.backends.embedded.meshing import ShapeMesher
from i2v3d.backends.embedded.render_cycles import CyclesRenderer
from i2v3d.backends.embedded.render_gl import GlRenderer
from i2v3d.errors import BlenderError
from i2v3d.spec.resolved import MeshPlay
from i2v3d.stages import assemble, foreground_mesh, mesh_frames, scene_script
from tests import hand_made_scene as hand
from tests.meshing_scenes import layout_with
from tests.work_folder import WorkFolder

MAKE_CACHE = """
import sys, bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.fps, scene.frame_start, scene.frame_end = 24, 1, 9
for name, x in (("sheet", 0.0), ("block", 3.0)):
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)], [], [(0, 1, 2, 3)])
    for corner in [] if name == "block" else mesh.color_attributes.new("Col", "BYTE_COLOR", "CORNER").data:
        corner.color_srgb = (0.8, 0.4, 0.2, 1.0)
    thing = bpy.data.objects.new(name, mesh)
    scene.collection.objects.link(thing)
    thing.location = (x, 0, 0)
    if name == "sheet":
        thing.shape_key_add(name="Basis")
        key = thing.shape_key_add(name="bent")
        key.data[2].co = (1, 2, 1)
        for frame, value in ((1, 0.0), (9, 1.0)):
            key.value = value
            key.keyframe_insert("value", frame=frame)
        (strip,) = mesh.shape_keys.animation_data.action.layers[0].strips
        for point in strip.channelbags[0].fcurves[0].keyframe_points:
            point.interpolation = "LINEAR"
    elif sys.argv[2] == "cut":
        more = thing.modifiers.new("Array", "ARRAY")
        for frame, count in ((4, 1), (5, 2)):
            more.count = count
            more.keyframe_insert("count", frame=frame)
options = {"vcolors": True, "as_background_job": False, "check_existing": False}
bpy.ops.wm.alembic_export(filepath=sys.argv[1], start=1, end=9, **options)
"""


def ribbon(step, *, steps=6):
    """A standing strip of 1.5 m that leans over to the right, step by step, and is striped."""
    height = np.linspace(0, 1.5, 16)
    lean = 1.2 * step / (steps - 1) * (height / 1.5) ** 2
    points = [(x + shift, 0.0, z) for z, shift in zip(height, lean, strict=True) for x in (-0.25, 0.25)]
    faces = [face for k in range(15) for face in ((2 * k, 2 * k + 1, 2 * k + 3), (2 * k, 2 * k + 3, 2 * k + 2))]
    mesh = trimesh.Trimesh(points, faces, process=False)
    mesh.visual.vertex_colors = [(200, 40 + 10 * k, 30, 255) for k in range(16) for _ in range(2)]
    return mesh


def in_body(folder, files, **changes):
    """Returns the outputs of `foreground_mesh`."""
    layout = Layout(folder / "layout_of_mesh.json")
    layout.write(layout_with((80.0, 100.0)))
    params = foreground_mesh.Params("thing", None, **({"file_height_m": None} | changes))
    (folder / "mesh").mkdir()
    inputs = foreground_mesh.Inputs(None, layout, files[0], later=tuple(files[1:]))
    return foreground_mesh.run(inputs, params, ShapeMesher(), WorkFolder(folder / "mesh", foreground_mesh.Outputs))


def written(folder, steps=6):
    files = [folder / f"ribbon_{step}.ply" for step in range(steps)]
    for step, file in enumerate(files):
        ribbon(step, steps=steps).export(file)
    return files


def in_scene(folder, body, play, *, frames=8):
    """Returns scene and scene cache: the ribbon in the card's place, which moves, and its still copy."""
    plays = dict.fromkeys(("card", hand.NASTY), play)
    keys = (hand.motion_key(0.0, move_m=(0.0,) * 3), hand.motion_key(frames - 1, move_m=(0.4, 0.0, 0.0)))
    made = dataclasses.replace(hand.scene(frames), sequences=plays, motion={"card": keys}, camera_path=())
    layout, background = hand.write_layout(folder / "layout.json"), Mesh(folder / "background")
    background.write(hand.background_mesh())
    (node,) = scene_script.nodes(made)
    shapes = (body.shapes, body.shapes)
    script = scene_script.run(
        scene_script.Inputs(layout, shapes=shapes), node.params, None, hand.work(folder / "script", script=Script)
    ).script
    types = {"static": SceneStatic, "states": FrameStates, "cameras": CameraTrack, "blend": Blend, "glb": Glb}
    (node,) = assemble.nodes(made)
    inputs = assemble.Inputs(script, layout, background, (body.mesh,))
    return made, assemble.run(inputs, node.params, None, hand.work(folder / "assemble", **types))


def test_height_and_pivot_hold_for_every_step(tmp_path):
    body = in_body(tmp_path, written(tmp_path), file_height_m=3.0, file_pivot_m=(0.0, 0.0, 0.5))
    places = body.shapes.read_arrays()["places"]
    np.testing.assert_array_equal(places[0], body.mesh.read().vertices_m)
    assert (places[:, :, 2].min(), places[:, :, 2].max()) == (-0.5, 2.5)
    assert places[-1, :, 0].max() == pytest.approx(2 * (0.25 + 1.2), abs=1e-4)


def test_a_still_mesh_has_no_shapes(tmp_path):
    assert in_body(tmp_path, written(tmp_path)[:1]).shapes is None


@pytest.mark.blender
def test_the_cache_has_every_frames_vertices_and_both_renderers_draw_and_flow_alike(tmp_path):
    body = in_body(tmp_path, written(tmp_path))
    made, outputs = in_scene(tmp_path, body, MeshPlay((), 0.5, 1.0, False))
    steps = body.shapes.read_arrays()["places"].astype(np.float64)
    states = [state.read_arrays() for state in outputs.states]
    for frame, state in enumerate(states):
        at = max(frame - 1, 0) / 2
        expected = steps[int(at)] * (1 - at % 1) + steps[min(int(at) + 1, 5)] * (at % 1)
        way = np.array([0.4 * frame / 7, 0, 0])
        np.testing.assert_allclose(state["vertices_2"], expected + hand.card_place() + way, atol=1e-4)
        pose = state["transforms"][2]
        np.testing.assert_allclose(state["vertices_3"], expected @ pose[:3, :3].T + pose[:3, 3], atol=1e-4)
    drawn = [hand.rendered(tmp_path / kind.__name__, made, outputs, kind(), 4) for kind in (GlRenderer, CyclesRenderer)]
    gl, cycles = (one.passes.read() for one in drawn)
    assert (gl.ids != cycles.ids).sum() <= 12
    is_it = (gl.ids == 2) & (cycles.ids == 2)
    assert is_it.sum() > 200
    assert np.abs(gl.flow_forward_px[is_it] - cycles.flow_forward_px[is_it]).max() < 0.1
    rows = np.nonzero(is_it)[0]
    top, base = is_it & (np.arange(144)[:, None] < rows.min() + 8), is_it & (np.arange(144)[:, None] > rows.max() - 8)
    assert gl.flow_forward_px[top, 0].mean() > gl.flow_forward_px[base, 0].mean() + 1.0, "the top leans over"
    alike = np.abs(drawn[0].colour.read()[is_it].astype(int) - drawn[1].colour.read()[is_it])
    assert alike.mean() < 2.0


@pytest.mark.blender
def test_an_alembic_cache_is_read_step_by_step_with_all_its_meshes(tmp_path):
    steps = read_cache(tmp_path, "whole", fps=12.0)
    assert len(steps) == 5
    meshes = [trimesh.load(step.path, process=False) for step in steps]
    for index, mesh in enumerate(meshes):
        assert mesh.vertices[:, 1].max() == pytest.approx(2 * index / 4, abs=1e-4)
        assert mesh.vertices[:, 0].max() == pytest.approx(4.0)
        np.testing.assert_array_equal(mesh.faces, meshes[0].faces)
    body_folder = tmp_path / "body"
    body_folder.mkdir()
    body = in_body(body_folder, [step.path for step in steps])
    assert body.shapes.read_arrays()["places"].shape == (5, 12, 3), "each face has colours of its own"
    texture = body.mesh.read().texture[..., :3].reshape(-1, 3).astype(int)
    for colour in ([204, 102, 51], [200, 200, 200]):
        assert np.abs(texture - colour).max(axis=1).min() <= 1, "the sheet's, and grey for the block, which has none"


@pytest.mark.blender
def test_a_cache_whose_faces_change_is_refused_with_the_step(tmp_path):
    with pytest.raises(BlenderError, match=r"in step 4 it has 6 triangles and at first 4"):
        read_cache(tmp_path, "cut", fps=24.0)


def read_cache(folder, kind, *, fps):
    file = folder / f"{kind}.abc"
    command = [sys.executable, "-c", MAKE_CACHE, str(file), kind]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert file.exists(), run.stderr[-2000:]
    outputs = hand.work(folder / f"read_{kind}", frames=MeshFrames)
    return mesh_frames.run(mesh_frames.Inputs(file), mesh_frames.Params(fps), None, outputs).frames
