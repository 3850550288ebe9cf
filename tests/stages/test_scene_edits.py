"""What edits add to a scene: nodes, meshes, places; most of it without Blender."""

import dataclasses

import numpy as np
import pytest
import trimesh
from PIL import Image as Pillow

from i2v3d.artifacts.scene import Layout, Mesh, MeshData, ObjectRest
from i2v3d.errors import StageError
from i2v3d.spec.resolved import MeshEdits, MeshFile, Place, TextShape
from i2v3d.stages import arrange, edit_mesh, foreground_mesh, text_mesh
from tests import hand_made_scene as hand
from tests.work_folder import WorkFolder


def block(size=(1.0, 1.0, 1.0), *, base=0.0) -> MeshData:
    box = trimesh.creation.box(size)
    vertices = (box.vertices + np.array([0, 0, base + size[2] / 2])).astype(np.float32)
    texture = np.full((4, 4, 4), 200, np.uint8)
    return MeshData(vertices, box.faces.astype(np.int32), np.ones_like(vertices), texture, np.zeros((4, 4), np.uint8))


def scene_with(**changes):
    made = hand.scene()
    card, copy = made.objects
    edits = changes.pop("card", {})
    return dataclasses.replace(
        made, objects=(dataclasses.replace(card, **edits), dataclasses.replace(copy, **changes)), backends=BACKENDS
    )


BACKENDS = {"foreground_mesh": "embedded"}


def test_without_edits_there_is_no_node_for_them():
    scene = scene_with()
    assert not [*edit_mesh.nodes(scene), *arrange.nodes(scene), *text_mesh.nodes(scene)]
    assert edit_mesh.mesh_ref(scene, hand.NASTY).node == "foreground_mesh[card]"


def test_an_edited_copy_reads_the_mesh_of_its_original():
    scene = scene_with(edits=MeshEdits(twist_rad=0.3), mesh_of=hand.NASTY)
    (node,) = edit_mesh.nodes(scene)
    assert node.inputs["mesh"].node == "foreground_mesh[card]"
    assert edit_mesh.mesh_owners(scene) == ("card", hand.NASTY)


def test_a_removed_object_is_lifted_only_if_a_copy_shows_it():
    kept = scene_with(card={"is_removed": True})
    assert [node.name for node in foreground_mesh.nodes(kept)] == ["foreground_mesh[card]"]
    gone = dataclasses.replace(kept, objects=kept.objects[:1])
    assert not list(foreground_mesh.nodes(gone))


def test_a_replacement_file_is_read_as_an_object_and_fitted(tmp_path):
    file = tmp_path / "ball.glb"
    scene = scene_with(card={"edits": MeshEdits(replaced_file=file), "mesh_of": "card"})
    names = [node.name for node in foreground_mesh.nodes(scene)]
    assert names == ["foreground_mesh[card (replacement)]", "foreground_mesh[card]"]
    (node,) = edit_mesh.nodes(scene)
    assert node.inputs["other"].node == names[0]
    assert node.params.edits.replaced_file is None, "a path may not be part of a key"


def test_edits_give_equal_bytes_and_a_sound_mesh(tmp_path):
    mesh, layout, bumps = Mesh(tmp_path / "mesh"), Layout(tmp_path / "layout.json"), tmp_path / "bumps.png"
    mesh.write(block())
    layout.write(hand.solved_layout())
    Pillow.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (32, 1))).save(bumps)
    edits = MeshEdits(part="top", scale=(1.5, 1.0, 1.0), bend_rad=0.4, twist_rad=0.2, tint=(1.0, 0.5, 0.5))
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        inputs = edit_mesh.Inputs(mesh, None, bumps, bumps, layout)
        work = WorkFolder(tmp_path / name, edit_mesh.Outputs)
        made.append(edit_mesh.run(inputs, edit_mesh.Params("card", edits), None, work).mesh)
        made[-1].check()
    for file in ("geometry.npz", "texture.png", "observed.png"):
        assert (made[0].path / file).read_bytes() == (made[1].path / file).read_bytes()


def rest_at(x, y, z=0.0, scale=1.0) -> ObjectRest:
    pose = np.eye(4)
    pose[:3, 3] = (x, y, z)
    return ObjectRest(pose, scale, float("nan"), y)


def test_a_tower_is_stacked_from_below_in_any_order_and_copies_go_along():
    rests = {"base": rest_at(1, 5), "b": rest_at(0, 0.25), "a": rest_at(0.25, 0), "copy": rest_at(0.25, 2)}
    layout = dataclasses.replace(hand.solved_layout(), objects=rests)
    standing = (
        arrange.Standing("b", "a", "a", (0.0, 0.25, 0.0)),
        arrange.Standing("a", "a", "base", (0.25, 0.0, 0.0)),
    )
    owners = (("a", "a"), ("b", "a"), ("base", "base"), ("copy", "a"))
    params = arrange.Params(("a", "base"), standing, owners, (("copy", "a"),))
    meshes = {"base": block((2.0, 2.0, 3.0)), "a": block()}
    found = arrange.arranged(layout, params, block(), meshes).objects
    places = {name: tuple(rest.world_from_object[:3, 3]) for name, rest in found.items()}
    assert places == {"base": (1, 5, 0), "a": (1.25, 5, 3), "b": (1.25, 5.25, 4), "copy": (1.25, 7, 3)}


def test_standing_beside_the_support_or_in_a_circle_is_an_error():
    layout = dataclasses.replace(hand.solved_layout(), objects={"a": rest_at(9, 0), "b": rest_at(0, 0)})
    owners, meshes = (("a", "a"), ("b", "a")), {"a": block()}
    beside = arrange.Params(("a",), (arrange.Standing("a", "a", "b", (9.0, 0.0, 0.0)),), owners)
    with pytest.raises(StageError, match="`a` stands beside `b`"):
        arrange.arranged(layout, beside, block(), meshes)
    circle = (arrange.Standing("a", "a", "b", (0.0,) * 3), arrange.Standing("b", "a", "a", (0.0,) * 3))
    with pytest.raises(StageError, match="in a circle"):
        arrange.arranged(layout, dataclasses.replace(beside, standing=circle), block(), meshes)


def test_the_script_reads_the_arranged_layout_only_where_something_stands_on_something():
    placed = scene_with(place=Place((0.0, 0.0, 0.0), False, 0.0, "card"))
    assert arrange.layout_ref(scene_with()).node == "layout"
    assert arrange.layout_ref(placed).node == "arrange"


@pytest.mark.blender
def test_letters_stand_upright_at_their_height_and_depth(tmp_path):
    params = text_mesh.Params(TextShape("Ho", None, 0.1), 0.5, (0.0, 0.0, 0.0))
    made = text_mesh.run(text_mesh.Inputs(None), params, None, WorkFolder(tmp_path, text_mesh.Outputs)).mesh
    made.check()
    width, depth, height = np.ptp(made.read().vertices_m, axis=0)
    assert (depth, height) == (pytest.approx(0.1), pytest.approx(0.5))
    assert width > 0.5
    assert not isinstance(params.shape, MeshFile)


@pytest.mark.blender
def test_what_hangs_on_an_object_takes_part_in_its_motion(tmp_path):
    """The copy turns about its own upright axis while the card carries it."""
    plain = hand.assembled(tmp_path / "plain", hand.scene())
    made = scene_with(parent="card")
    made = dataclasses.replace(made, camera_path=(hand.camera_key(0.0, look_at=hand.NASTY),))
    hung = hand.assembled(tmp_path / "hung", made)
    first, last = plain.states.item(0).read_arrays(), plain.states.item(3).read_arrays()
    shift = (last["transforms"] - first["transforms"])[1, :3, 3]
    assert np.abs(shift).max() > 0.1
    found = hung.states.item(3).read_arrays()
    np.testing.assert_allclose(found["transforms"][2, :3, 3], last["transforms"][2, :3, 3] + shift, atol=1e-5)
    np.testing.assert_allclose(found["transforms"][2, :3, :3], last["transforms"][2, :3, :3], atol=1e-5)
    np.testing.assert_allclose(hung.states.item(0).read_arrays()["transforms"], first["transforms"], atol=1e-6)
