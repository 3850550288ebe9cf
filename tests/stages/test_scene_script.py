import ast
import dataclasses
import os
from pathlib import Path

import pytest

from i2v3d.artifacts.camera import CameraPoses
from i2v3d.artifacts.scene import Script
from i2v3d.errors import GraphError
from i2v3d.geometry.camera_path import PathKey
from i2v3d.geometry.camera_rig import Follow, Shake, TrackPose
from i2v3d.spec import resolved
from i2v3d.spec.resolved import CameraKey
from i2v3d.spec.resolved_physics import ClothBody, DepthOfField, FocusKey, Pinned, SoftBody
from i2v3d.stages import scene_script
from tests import hand_made_scene as hand

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "scripts"


def literals(text: str) -> dict[str, ast.expr]:
    assigned = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    return {node.targets[0].id: node.value for node in assigned if isinstance(node.targets[0], ast.Name)}


def script_text(folder, made=None) -> str:
    folder.mkdir(exist_ok=True)
    return (hand.write_script(folder / "script", made or hand.scene()).path / "scene.py").read_text()


def test_the_script_of_the_hand_made_scene_is_as_reviewed(tmp_path):
    """After a wanted change: I2V3D_UPDATE_GOLDEN=1, then review the difference as code."""
    text, golden = script_text(tmp_path), GOLDEN / "hand_made_scene.py.txt"
    if os.environ.get("I2V3D_UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_the_script_of_a_scene_with_cloth_a_soft_thing_and_a_lens_is_as_reviewed(tmp_path):
    """After a wanted change: I2V3D_UPDATE_GOLDEN=1, then review the difference as code."""
    pinned = Pinned("left", 0.03, None)
    box = Pinned(None, 0.03, ((-1.0, -1.0, 0.0), (1.0, 1.0, 0.1)))
    bodies = {
        "card": ClothBody(pinned, 0.2, 15.0, (2.0, 0.5, 0.0), 0.4, 1, (hand.NASTY,), 1.0),
        hand.NASTY: SoftBody(box, 0.5, 0.5),
    }
    focus = DepthOfField(0.01, (FocusKey(0.0, "card", "linear"), FocusKey(3.0, (0.0, 9.0, 1.0), "in_out_sine")))
    made = dataclasses.replace(hand.scene(), deforming=bodies, depth_of_field=focus)
    text, golden = script_text(tmp_path, made), GOLDEN / "cloth_scene.py.txt"
    if os.environ.get("I2V3D_UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_equal_scenes_give_equal_scripts(tmp_path):
    first = hand.write_script(tmp_path / "a", hand.scene()).path
    second = hand.write_script(tmp_path / "b", hand.scene()).path
    names = sorted(str(path.relative_to(first)) for path in first.rglob("*") if path.is_file())
    assert "scene.py" in names
    assert "lib/build.py" in names
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_more_objects_than_the_passes_can_tell_apart_are_refused():
    made = hand.scene(has_copy=False)
    things = tuple(dataclasses.replace(made.objects[0], name=f"thing {index}") for index in range(255))
    assert list(scene_script.nodes(dataclasses.replace(made, objects=things[:254], motion={})))
    with pytest.raises(GraphError, match="255 objects; the limit is 254"):
        list(scene_script.nodes(dataclasses.replace(made, objects=things, motion={})))


def test_a_name_full_of_python_stays_a_name(tmp_path):
    things = literals(script_text(tmp_path))["OBJECTS"]
    names = [
        ast.literal_eval(keyword.value) for call in things.elts for keyword in call.keywords if keyword.arg == "name"
    ]
    assert names == ["card", hand.NASTY]


@pytest.mark.parametrize("name", ['"""', "'''", "\\", "\n import os", "{{ 7 * 7 }}", "#", "\u202e", "ok\x00"])
def test_no_name_breaks_out_of_its_literal(tmp_path, name):
    made = hand.scene(has_copy=False)
    renamed = dataclasses.replace(
        made, name=name, objects=(dataclasses.replace(made.objects[0], name=name),), motion={}, camera_path=()
    )
    layout = hand.solved_layout()
    layout = dataclasses.replace(layout, objects={name: layout.objects["card"]})
    text = (hand.write_script(tmp_path / "script", renamed, layout).path / "scene.py").read_text()
    found = literals(text)
    (thing,) = found["OBJECTS"].elts
    assert ast.literal_eval(thing.keywords[0].value) == name
    assert ast.literal_eval(found["CLIP"].keywords[0].value) == name


def test_a_script_names_no_place_or_time(tmp_path):
    text = script_text(tmp_path)
    assert str(tmp_path) not in text
    assert "/home" not in text
    assert "20" not in text.split('"""')[1]


def test_a_copy_shares_the_mesh_folder_of_its_original():
    folders = scene_script.mesh_folders(hand.scene().objects)
    assert folders == {"card": "2_card", hand.NASTY: "2_card"}


def test_mesh_folders_are_safe_names():
    made = hand.scene(has_copy=False)
    odd = dataclasses.replace(made.objects[0], name="../../etc/pässwd" + "x" * 300)
    (folder,) = scene_script.mesh_folders((odd,)).values()
    assert set(folder) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
    assert len(folder) < 60


def test_a_path_key_has_every_field_of_the_specs_key():
    assert [f.name for f in dataclasses.fields(PathKey)] == [f.name for f in dataclasses.fields(CameraKey)]


def test_only_what_differs_from_the_source_view_is_written(tmp_path):
    keys = literals(script_text(tmp_path))["CAMERA_PATH"].elts
    assert [[keyword.arg for keyword in key.keywords] for key in keys] == [
        ["frame", "orbit_around"],
        ["frame", "orbit_azimuth_rad", "orbit_around", "zoom", "ease"],
    ]


def test_a_rig_and_a_track_are_literals_of_the_script(tmp_path):
    rig = resolved.CameraRig(resolved.CameraFollow(hand.NASTY, 0.3, "turning"), resolved.CameraShake(0.5, 1.5, 9))
    text = script_text(tmp_path, dataclasses.replace(hand.scene(), camera_rig=rig))
    follow, shake = (keyword.value for keyword in literals(text)["CAMERA_RIG"].keywords)
    assert {k.arg: ast.literal_eval(k.value) for k in follow.keywords} == dataclasses.asdict(rig.follow)
    assert {k.arg: ast.literal_eval(k.value) for k in shake.keywords} == dataclasses.asdict(rig.shake)
    assert "CAMERA_TRACK" not in text
    poses = CameraPoses(tmp_path / "track.json")
    poses.write(
        [TrackPose((1.0, 2.0, 3.0), (1.0, 0.0, 0.0, 0.0)), TrackPose((1.0, 2.0, 3.0), (1.0, 0.0, 0.0, 0.0), 2.0)]
    )
    (node,) = scene_script.nodes(hand.scene())
    inputs = scene_script.Inputs(hand.write_layout(tmp_path / "layout.json"), track=poses)
    script = scene_script.run(inputs, node.params, None, hand.work(tmp_path / "work", script=Script)).script
    tracked = (script.path / "scene.py").read_text()
    assert "    TrackPose((1.0, 2.0, 3.0), (1.0, 0.0, 0.0, 0.0)),\n" in tracked
    assert "    TrackPose((1.0, 2.0, 3.0), (1.0, 0.0, 0.0, 0.0), 2.0),\n" in tracked
    assert "track=CAMERA_TRACK," in tracked


def test_the_parts_of_a_rig_have_every_field_of_the_specs():
    for ours, theirs in ((Follow, resolved.CameraFollow), (Shake, resolved.CameraShake)):
        assert [f.name for f in dataclasses.fields(ours)] == [f.name for f in dataclasses.fields(theirs)]


def test_a_changed_key_changes_one_line(tmp_path):
    made = hand.scene()
    changed = dataclasses.replace(
        made, camera_path=(made.camera_path[0], dataclasses.replace(made.camera_path[1], zoom=1.2))
    )
    before, after = script_text(tmp_path / "a", made).splitlines(), script_text(tmp_path / "b", changed).splitlines()
    assert len(before) == len(after)
    assert sum(b != a for b, a in zip(before, after, strict=True)) == 1
