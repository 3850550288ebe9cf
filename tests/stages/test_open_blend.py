"""The scene's own .blend, taken back: unchanged it is the same scene, edited it is the edited one."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from i2v3d.artifacts.scene import JsonFile, Mesh
from i2v3d.errors import BlenderError
from i2v3d.stages import assemble, open_blend, scene_script
from tests import hand_made_scene as hand

pytestmark = pytest.mark.blender


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("blend")


@pytest.fixture(scope="module")
def original(folder):
    return hand.assembled(folder / "original", hand.scene(3))


def opened(folder, blend, first_run):
    made = dataclasses.replace(hand.scene(3), blend_file=blend)
    (node,) = open_blend.nodes(made)
    work = hand.work(
        folder / "work",
        static=hand.SceneStatic,
        states=hand.FrameStates,
        cameras=hand.CameraTrack,
        blend=hand.Blend,
        glb=hand.Glb,
    )
    card = Mesh(first_run / "card")
    inputs = open_blend.Inputs(
        blend, hand.write_layout(folder / "layout.json"), Mesh(first_run / "background"), (card, card)
    )
    return open_blend.run(inputs, node.params, None, work)


def edited(folder, blend, code):
    """Saves a copy of the file after some lines of bpy, as an artist would by hand."""
    file, script = folder / "edited.blend", folder / "edit.py"
    text = f"import bpy\nbpy.ops.wm.open_mainfile(filepath={str(blend)!r})\n{code}\n"
    script.write_text(text + f"bpy.ops.wm.save_as_mainfile(filepath={str(file)!r})\n")
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True)
    return file


def test_the_artists_file_takes_the_place_of_script_and_assembly(original):
    made = dataclasses.replace(hand.scene(3), blend_file=original.blend.path)
    assert not list(scene_script.nodes(made))
    assert not list(assemble.nodes(made))
    assert [node.name for node in open_blend.nodes(made)] == ["assemble"]


def test_the_unchanged_file_gives_the_scene_it_was_made_of(folder, original):
    again = opened(folder, original.blend.path, folder / "original")
    for field in dataclasses.fields(again):
        getattr(again, field.name).check()
    for before, after in zip(original.states, again.states, strict=True):
        expected = before.read_arrays()
        for name, array in after.read_arrays().items():
            np.testing.assert_allclose(array, expected[name], atol=2e-6, err_msg=name)
    for mesh in ("meshes/1", "meshes/2"):
        ours, theirs = (Mesh(run.static.path / mesh).read() for run in (original, again))
        np.testing.assert_array_equal(ours.texture, theirs.texture)
        np.testing.assert_array_equal(ours.is_observed, theirs.is_observed)
        for faces in (ours, theirs):
            assert faces.faces.shape == ours.faces.shape
        corners = [
            np.hstack([mesh.vertices_m[mesh.faces], mesh.texcoords[mesh.faces]]).reshape(len(mesh.faces), -1)
            for mesh in (ours, theirs)
        ]
        np.testing.assert_allclose(
            np.sort(corners[0].sum(axis=1)), np.sort(corners[1].sum(axis=1)), rtol=1e-5, err_msg=mesh
        )


EDIT = """
bpy.data.objects['card'].animation_data_clear()
bpy.data.objects['card'].location.x += 0.5
bpy.ops.mesh.primitive_cube_add(size=0.5, location=(1, 6, 1))
cube = bpy.context.object
cube.name = 'Added'
wave = cube.modifiers.new('Twist', 'SIMPLE_DEFORM')
wave.angle = 0
wave.keyframe_insert('angle', frame=1)
wave.angle = 1
wave.keyframe_insert('angle', frame=3)
bpy.app.handlers.frame_change_pre.clear()
text = bpy.data.texts.new('evil.py')
text.write('import bpy; bpy.data.objects["card"].location.x = 99')
text.use_module = True
"""


def test_edits_are_seen_new_things_come_after_and_scripts_do_not_run(tmp_path, folder, original):
    again = opened(tmp_path, edited(tmp_path, original.blend.path, EDIT), folder / "original")
    names = [entry["name"] for entry in JsonFile(again.static.path / "scene.json").read_json()["objects"]]
    assert names == ["Background", "card", hand.NASTY, "Added"]
    first, last = again.states.item(0).read_arrays(), again.states.item(2).read_arrays()
    rest = hand.card_place() + (0.5, 0, 0)  # noqa: RUF005  # a sum of vectors
    np.testing.assert_allclose(last["transforms"][1, :3, 3], rest, atol=1e-5)
    assert np.abs(last["vertices_4"] - first["vertices_4"]).max() > 0.05, "its modifier deforms it"
    assert not Mesh(again.static.path / "meshes" / "4").read().is_observed.any()


OUTSIDE = """
image = bpy.data.images.new('x', 4, 4)
image.source, image.filepath, image.use_fake_user = 'FILE', '//other.png', True
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("bpy.data.objects.remove(bpy.data.objects['card'])", "the file has no mesh object `card`"),
        ("bpy.context.scene.camera = None", "the file has no active camera"),
        (OUTSIDE, "other files"),
    ],
)
def test_a_file_that_can_not_be_used_says_why(tmp_path, folder, original, code, said):
    with pytest.raises(BlenderError, match=said):
        opened(tmp_path, edited(tmp_path, original.blend.path, code), folder / "original")
