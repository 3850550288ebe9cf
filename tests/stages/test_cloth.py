"""Cloth and soft bodies through Blender: what is held stays, what is free falls and flies, and bytes repeat."""

import dataclasses

import numpy as np
import pytest

from i2v3d.artifacts.scene import Layout, Mesh, MeshData
from i2v3d.backends.embedded.render_cycles import CyclesRenderer
from i2v3d.backends.embedded.render_gl import GlRenderer
from i2v3d.errors import BlenderError, StageError
from i2v3d.spec.resolved import MeshEdits
from i2v3d.spec.resolved_physics import ClothBody, MeshDetail, Pinned, SoftBody
from i2v3d.stages import assemble, edit_mesh
from tests import hand_made_scene as hand
from tests.stages.test_scene_edits import block, rest_at

SHEET, OTHER = "card", hand.NASTY
TOP, LEFT, NOTHING = Pinned("top", 0.03, None), Pinned("left", 0.03, None), Pinned(None, 0.03, None)


AIR_PER_S = 0.95  # how fast still air slows a cloth down


def sheet(cells=20, size=1.0, *, is_level=False):
    """A square cloth with a checked picture, doubled along its middle as at a seam of its texture."""
    across, up = np.meshgrid(np.linspace(0, 1, cells + 1), np.linspace(0, 1, cells + 1))
    points = np.stack([across - 0.5, np.zeros_like(up), up], -1).reshape(-1, 3) * size
    if is_level:
        points = points[:, [0, 2, 1]] - np.array([0, size / 2, 0])
    faces = hand._grid_faces(cells + 1, cells + 1)[:, ::-1]
    seam = np.flatnonzero(across.ravel() == 0.5)
    is_right = (points[faces, 0] > 0).any(axis=1)
    doubled = np.arange(len(points))
    doubled[seam] = len(points) + np.arange(len(seam))
    faces[is_right] = doubled[faces[is_right]]
    points = np.concatenate([points, points[seam]]).astype(np.float32)
    texcoords = np.stack([points[:, 0] / size + 0.5, points.max(axis=1) * 0 + 0.5, np.ones(len(points))], 1)
    texture = np.full((32, 32, 4), 255, np.uint8)
    texture[..., 0] = 40 + 8 * np.arange(32)
    return MeshData(
        points, faces.astype(np.int32), texcoords.astype(np.float32), texture, np.zeros((32, 32), np.uint8)
    ), seam


def cloth(**changes):
    plain = {"pinned": TOP, "mass_kg_m2": 0.2, "stiffness": 15.0, "wind_m_s": (0.0, 0.0, 0.0), "gusts": 0.5}
    return ClothBody(**(plain | {"seed": 3, "obstacles": (), "settle_s": 0.0} | changes))


def hung(folder, bodies, mesh, *, frames=20, start=(0.0, 6.0, 2.0), motion=None, **changes):
    """Returns the outputs, and each state's arrays: the sheet at `start`, the same mesh 3 m to its side."""
    made = dataclasses.replace(hand.scene(frames), deforming=bodies, motion=motion or {}, camera_path=(), **changes)
    layout = dataclasses.replace(hand.solved_layout(), objects={SHEET: rest_at(*start), OTHER: rest_at(3.0, 6.0, 0.0)})
    outputs = hand.assembled(folder, made, layout, mesh)
    return outputs, [state.read_arrays() for state in outputs.states]


@pytest.mark.blender
def test_a_free_cloth_falls_as_a_stone_at_any_size_and_rate(tmp_path):
    mesh, _ = sheet(6, 4.0)
    for rate in (12.0, 30.0):
        output = dataclasses.replace(hand.scene().output, fps=rate, frame_count=9)
        bodies = {SHEET: cloth(pinned=NOTHING)}
        _, states = hung(tmp_path / f"{rate}", bodies, mesh, start=(0.0, 9.0, 60.0), output=output)
        dropped = 60.0 - np.array([state["vertices_2"][:, 2].min() for state in states])
        time = np.arange(9) / rate
        expected = 9.81 * (time - (1 - np.exp(-AIR_PER_S * time)) / AIR_PER_S) / AIR_PER_S
        np.testing.assert_allclose(dropped, expected, rtol=0.04, atol=0.02)


@pytest.mark.blender
def test_a_pinned_cloth_hangs_holds_its_size_flies_in_the_wind_and_repeats_byte_for_byte(tmp_path):
    mesh, seam = sheet()
    bodies = {SHEET: cloth(pinned=LEFT, wind_m_s=(2.0, 6.0, 0.0), settle_s=0.5)}
    first, states = hung(tmp_path / "first", bodies, mesh)
    rest = mesh.vertices_m + np.array([0.0, 6.0, 2.0])
    held = mesh.vertices_m[:, 0] == -0.5
    for state in states:
        shown = state["vertices_2"]
        np.testing.assert_allclose(shown[held], rest[held], atol=1e-5)
        np.testing.assert_array_equal(shown[seam], shown[len(shown) - len(seam) :], "no crack at the seam")
        across = np.linalg.norm(shown[20] - shown[0])
        assert across < 1.1, "it does not stretch"
    assert states[0]["vertices_2"][:, 1].max() > 6.2, "the wind has taken it before the first frame"
    assert np.abs(states[0]["vertices_2"] - states[9]["vertices_2"]).max() > 0.02, "it flutters"
    assert "vertices_3" not in states[0], "the copy stays as it was"
    second, _ = hung(tmp_path / "second", bodies, mesh)
    for one, other in zip(first.states, second.states, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
    assert first.glb.path.read_bytes() == second.glb.path.read_bytes()


@pytest.mark.blender
def test_what_is_pinned_follows_the_objects_keys_and_the_rest_lags(tmp_path):
    mesh, _ = sheet(12)
    keys = (hand.motion_key(0.0, move_m=(0.0,) * 3), hand.motion_key(10.0, move_m=(1.5, 0.0, 0.0)))
    _, states = hung(tmp_path, {SHEET: cloth()}, mesh, frames=14, motion={SHEET: keys})
    top, bottom = mesh.vertices_m[:, 2] == 1.0, mesh.vertices_m[:, 2] == 0.0
    for frame, state in enumerate(states):
        way = state["vertices_2"][top, 0] - mesh.vertices_m[top, 0]
        np.testing.assert_allclose(way, min(frame / 10, 1.0) * 1.5, atol=2e-3)
    ways = np.array([(state["vertices_2"][bottom, 0] - mesh.vertices_m[bottom, 0]).mean() for state in states])
    assert ways[1] < 0.12, "it lags behind the top"
    assert ways.max() > 1.54, "and swings on when that has stopped"


@pytest.mark.blender
def test_a_cloth_lies_on_the_ground_and_on_what_is_in_its_way(tmp_path):
    mesh, _ = sheet(16, is_level=True)
    bodies = {SHEET: cloth(pinned=NOTHING, obstacles=(OTHER,))}
    rests = {SHEET: rest_at(3.0, 6.0, 0.5), OTHER: rest_at(3.0, 6.0, 0.2)}
    made = dataclasses.replace(hand.scene(30), deforming=bodies, motion={}, camera_path=())
    layout = dataclasses.replace(hand.solved_layout(), objects=rests)
    made = dataclasses.replace(made, objects=(made.objects[0], dataclasses.replace(made.objects[1], parent=None)))
    (node,) = assemble.nodes(made)
    assert node.determinism == "seeded"
    states = [state.read_arrays() for state in hand.assembled(tmp_path, made, layout, mesh).states]
    height = states[-1]["vertices_2"][:, 2]
    assert height.min() > 0.19, "the other sheet, which is stiff, carries it"
    _, alone = hung(tmp_path / "alone", {SHEET: cloth(pinned=NOTHING)}, mesh, frames=24, start=(0.0, 6.0, 0.3))
    assert np.abs(alone[-1]["vertices_2"][:, 2]).max() < 0.03, "the ground carries it"


def test_a_cloth_over_the_ground_of_a_depth_file_promises_no_equal_bytes():
    made = dataclasses.replace(hand.scene(4), deforming={SHEET: cloth()})
    shown = dataclasses.replace(made, background=dataclasses.replace(made.background, layout="depth"))
    assert [next(iter(assemble.nodes(scene))).determinism for scene in (made, shown)] == [None, "seeded"]


@pytest.mark.blender
def test_a_soft_block_lags_and_overshoots_and_both_renderers_draw_it_alike(tmp_path):
    keys = (hand.motion_key(0.0, move_m=(0.0,) * 3), hand.motion_key(6.0, move_m=(0.9, 0.0, 0.0), ease="in_out_sine"))
    bodies = {SHEET: SoftBody(Pinned("bottom", 0.03, None), 0.8, 0.3)}
    post = block((0.5, 0.5, 1.5))
    outputs, states = hung(tmp_path, bodies, post, frames=10, motion={SHEET: keys}, start=(-0.5, 6.0, 0.0))
    top, base = post.vertices_m[:, 2] > 1, post.vertices_m[:, 2] == 0
    np.testing.assert_allclose(states[0]["vertices_2"], post.vertices_m + np.array([-0.5, 6.0, 0.0]), atol=1e-5)
    ways = np.array([state["vertices_2"][:, 0] - post.vertices_m[:, 0] + 0.5 for state in states])
    assert (ways[3, top] < ways[3, base] - 0.05).all()
    assert (ways[8, top] > ways[8, base] + 0.02).all()
    made = dataclasses.replace(hand.scene(10), backends={"render": "gl"})
    drawn = [hand.rendered(tmp_path / kind.__name__, made, outputs, kind(), 4) for kind in (GlRenderer, CyclesRenderer)]
    gl, cycles = (one.passes.read() for one in drawn)
    assert (gl.ids != cycles.ids).sum() <= 8
    is_it = (gl.ids == 2) & (cycles.ids == 2)
    assert is_it.sum() > 300
    for name in ("flow_forward_px", "flow_backward_px"):
        assert np.quantile(np.abs(getattr(gl, name) - getattr(cycles, name))[is_it], 0.99) <= 0.01
    assert np.abs(gl.flow_forward_px[is_it]).max() > 2


@pytest.mark.blender
def test_a_wind_that_no_cloth_holds_is_told_by_name(tmp_path):
    mesh, _ = sheet(8)
    with pytest.raises(BlenderError, match=r"card cloth tears in frame \d+; give less wind|broke down"):
        hung(tmp_path, {SHEET: cloth(pinned=LEFT, stiffness=0.1, wind_m_s=(0.0, 900.0, 0.0))}, mesh, frames=6)


def cut(tmp_path, mesh, detail):
    written = Mesh(tmp_path / "mesh")
    written.write(mesh)
    layout = hand.write_layout(tmp_path / "layout.json")
    inputs = edit_mesh.Inputs(written, None, None, None, Layout(layout.path))
    params = edit_mesh.Params(SHEET, MeshEdits(detail=detail))
    return edit_mesh.run(inputs, params, None, hand.work(tmp_path / "work", mesh=Mesh)).mesh.read()


def test_a_card_of_two_triangles_is_cut_as_finely_as_the_cloth_asks(tmp_path):
    mesh, _ = sheet(1)
    fine = cut(tmp_path, mesh, MeshDetail(32, TOP, "cloth"))
    assert len(np.unique(fine.vertices_m, axis=0)) == 33 * 33
    np.testing.assert_allclose(fine.texcoords[:, 0], fine.vertices_m[:, 0] + 0.5, atol=1e-6)


def test_a_pinned_region_without_vertices_is_told_before_blender_starts(tmp_path):
    nowhere = Pinned(None, 0.03, ((3.0, 3.0, 3.0), (4.0, 4.0, 4.0)))
    with pytest.raises(StageError, match=r"`card`: no vertex is in the pinned region; the object's own box is"):
        cut(tmp_path, sheet(4)[0], MeshDetail(8, nowhere, "cloth"))


def test_a_mesh_with_too_many_vertices_is_no_cloth(tmp_path):
    with pytest.raises(StageError, match="a cloth may have 30,000"):
        cut(tmp_path, sheet(180)[0], MeshDetail(8, TOP, "cloth"))
