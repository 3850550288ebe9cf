import contextlib
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image as Pillow

from i2v3d.errors import BlenderError, StageError
from i2v3d.geometry.frames import OPENCV_FROM_OPENGL
from i2v3d.spec.resolved import EASINGS
from i2v3d.stages import assemble
from tests import hand_made_scene as hand

pytestmark = pytest.mark.blender


@pytest.fixture(scope="module")
def made():
    return hand.scene(5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("assembled")


@pytest.fixture(scope="module")
def outputs(made, folder):
    return hand.assembled(folder / "first", made)


def trimesh_ball() -> dict[str, np.ndarray]:
    ball = trimesh.creation.icosphere(subdivisions=2, radius=1.0)
    vertices = ball.vertices.astype(np.float32)
    texcoords = np.ones_like(vertices)
    return {"vertices_m": vertices, "faces": ball.faces.astype(np.int32), "texcoords": texcoords}


def in_blender(folder: Path, code: str) -> str:
    """Runs code in a fresh Blender and returns what it printed after a line `--`."""
    script = folder / "probe.py"
    script.write_text("import bpy\n" + code)
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    return run.stdout.split("--\n")[-1]


def test_every_output_is_what_its_type_promises(outputs):
    for field in dataclasses.fields(outputs):
        getattr(outputs, field.name).check()
    for mesh in sorted(outputs.static.path.glob("meshes/*")):
        hand.Mesh(mesh).check()


def test_blender_and_arithmetic_agree_on_every_frame(made, outputs):
    layout = hand.solved_layout()
    for frame, state in enumerate(outputs.states):
        arrays, expected = state.read_arrays(), hand.state_at(made, layout, frame)
        for name, tolerance in (("image_from_camera", 1e-4), ("world_from_camera", 2e-6), ("transforms", 5e-6)):
            error = np.abs(arrays[name] - expected[name]).max()
            assert error <= tolerance, f"frame {frame}: {name} is off by {error:.2e}"


def test_the_same_scene_gives_the_same_bytes(made, folder, outputs):
    again = hand.assembled(folder / "second", made)
    for name in ("static", "states"):
        first, second = getattr(outputs, name).path, getattr(again, name).path
        files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
        assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
        for file in files:
            assert (first / file).read_bytes() == (second / file).read_bytes(), f"{name}/{file}"
    assert outputs.cameras.path.read_bytes() == again.cameras.path.read_bytes()
    assert outputs.glb.path.read_bytes() == again.glb.path.read_bytes()


def test_a_later_key_leaves_earlier_states_as_they_were(made, folder, outputs):
    held = dataclasses.replace(made.camera_path[1], frame=2.0)
    keys = (made.camera_path[0], held, dataclasses.replace(held, frame=4.0, dolly_m=1.0))
    first = hand.assembled(folder / "held", dataclasses.replace(made, camera_path=keys))
    keys = (*keys[:2], dataclasses.replace(held, frame=4.0, dolly_m=2.0))
    second = hand.assembled(folder / "moved", dataclasses.replace(made, camera_path=keys))
    same = [a.path.read_bytes() == b.path.read_bytes() for a, b in zip(first.states, second.states, strict=True)]
    assert same == [True, True, True, False, False]


def test_cameras_are_given_in_both_conventions_and_in_words(outputs):
    document = json.loads(outputs.cameras.path.read_text())
    assert "Z up" in document["conventions"]["world"]
    assert "y down" in document["conventions"]["opencv"]
    assert len(document["frames"]) == 5
    state = outputs.states.item(3).read_arrays()
    frame = document["frames"][3]
    assert frame["opencv"]["world_from_camera"] == state["world_from_camera"].tolist()
    assert frame["opengl"]["world_from_camera"] == (state["world_from_camera"] @ OPENCV_FROM_OPENGL).tolist()
    assert frame["time_s"] == 3 / 24


def test_the_blend_opens_with_names_actions_and_packed_pictures(tmp_path, outputs):
    code = f"""
bpy.ops.wm.open_mainfile(filepath={str(outputs.blend.path)!r})
import json
print('--')
print(json.dumps({{
    'objects': sorted(o.name for o in bpy.data.objects),
    'collections': sorted(c.name for c in bpy.data.collections),
    'actions': sorted(a.name for a in bpy.data.actions),
    'images': [bool(i.packed_file) and i.size[0] > 0 for i in bpy.data.images],
    'view': bpy.context.scene.view_settings.view_transform,
    'frames': [bpy.context.scene.frame_start, bpy.context.scene.frame_end, bpy.context.scene.frame_current],
    'eases': [[k.interpolation, k.easing] for k in bpy.data.actions['card motion'].layers[0].strips[0]
              .channelbags[0].fcurves[2].keyframe_points],
}}))
"""
    found = json.loads(in_blender(tmp_path, code))
    assert found["objects"] == sorted(
        ["Background", "Camera", "Source camera", "card", hand.NASTY, f"{hand.NASTY} mesh"]
    )
    assert found["collections"] == ["Background", "Cameras", "Objects"]
    assert found["actions"] == sorted(["Camera path", "Camera zoom", "card motion", f"{hand.NASTY} motion"])
    assert found["images"] == [True, True]
    assert found["view"] == "Standard"
    assert found["frames"] == [1, 5, 1]
    assert found["eases"][0] == ["CUBIC", "EASE_IN"]


def test_the_blend_itself_renders_the_photo(tmp_path, outputs):
    """The product for artists is the same scene: Blender's own picture of frame 1 is the photo."""
    picture = tmp_path / "frame.png"
    code = f"""
bpy.ops.wm.open_mainfile(filepath={str(outputs.blend.path)!r})
scene = bpy.context.scene
scene.cycles.samples = 1
bpy.data.collections['Objects'].objects[{f"{hand.NASTY} mesh"!r}].hide_render = True
scene.render.filepath = {str(picture)!r}
bpy.ops.render.render(write_still=True)
"""
    in_blender(tmp_path, code)
    with Pillow.open(picture) as opened:
        rendered = np.asarray(opened.convert("RGB")).astype(int)
    difference = np.abs(rendered - hand.photo()[hand.TOP :])
    alpha = hand.card_picture()[hand.TOP :, :, 3]
    assert difference[(alpha == 0) | (alpha == 255)].max() <= 1
    assert difference.mean() <= 0.1


def test_the_glb_has_the_names_the_pictures_and_the_motion(outputs):
    data = outputs.glb.path.read_bytes()
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    names = {node["name"] for node in document["nodes"]}
    assert names >= {"Background", "card", hand.NASTY, "Camera"}
    assert len(document["images"]) == 2
    assert document["animations"]
    assert all("KHR_materials_unlit" in material["extensions"] for material in document["materials"])


@pytest.mark.slow
def test_every_easing_is_blenders_own_curve(tmp_path):
    """One copy per easing moves, turns and grows; Blender's F-curves must say what our arithmetic says."""
    made = hand.scene(9, has_copy=False)
    eases = EASINGS
    copies = tuple(dataclasses.replace(made.objects[0], name=ease, copy_of="card") for ease in eases)
    layout = hand.solved_layout()
    rests = {"card": layout.objects["card"]} | dict.fromkeys(eases, layout.objects["card"])
    layout = dataclasses.replace(layout, objects=rests)
    motion = {
        ease: (
            hand.motion_key(1.0, move_m=(0.5, 0.0, 0.0)),
            hand.motion_key(
                7.5, move_m=(2.0, 0.0, -3.0), axis=(0.0, 1.0, 1.0), angle_rad=9.0, scale=(2.0, 1.0, 0.5), ease=ease
            ),
        )
        for ease in eases
    }
    made = dataclasses.replace(made, objects=(*made.objects, *copies), motion=motion, camera_path=())
    script = hand.write_script(tmp_path / "script", made, layout)
    background, card = hand.Mesh(tmp_path / "background"), hand.Mesh(tmp_path / "card")
    background.write(hand.background_mesh())
    card.write(hand.card_mesh())
    (node,) = assemble.nodes(made)
    types = {
        field.name: kind
        for field, kind in zip(
            dataclasses.fields(assemble.Outputs),
            (hand.SceneStatic, hand.FrameStates, hand.CameraTrack, hand.Blend, hand.Glb),
            strict=True,
        )
    }
    run = assemble.run(
        assemble.Inputs(script, hand.write_layout(tmp_path / "layout.json", layout), background, (card,)),
        node.params,
        None,
        hand.work(tmp_path / "w", **types),
    )
    for frame, state in enumerate(run.states):
        found, expected = state.read_arrays()["transforms"], hand.state_at(made, layout, frame)["transforms"]
        for index, ease in enumerate(eases):
            error = np.abs(found[2 + index] - expected[2 + index]).max()
            assert error <= 2e-5, f"{ease}, frame {frame}: off by {error:.2e}"


def test_a_picture_that_can_not_be_read_is_an_error_and_not_magenta(tmp_path, made):
    script = hand.write_script(tmp_path / "script", made)
    scene = tmp_path / "scene"
    background, card = hand.Mesh(tmp_path / "background"), hand.Mesh(tmp_path / "card")
    background.write(hand.background_mesh())
    card.write(hand.card_mesh())
    (card.path / "texture.png").write_bytes(b"not a picture")
    assemble.lay_out(scene, script, [("background", background), ("2_card", card)])
    with pytest.raises(BlenderError, match=r"texture\.png"):
        assemble.run_script(scene / "scene.py", ["--out", str(tmp_path / "o")], work_dir=tmp_path, timeout_s=60)


def test_a_camera_inside_an_object_is_an_error_that_names_it(tmp_path):
    """A hand-made cache suffices: no Blender is started."""
    cache = hand.cached(tmp_path, hand.scene(2, has_copy=False))
    ball = trimesh_ball()
    folder = cache.static.path / "meshes" / "2"
    np.savez(folder / "geometry.npz", **ball)
    arrays = cache.states.item(1).read_arrays()
    arrays["transforms"][1][:3, 3] = arrays["world_from_camera"][:3, 3] + (0.1, 0.1, 0.1)
    cache.states.item(1).write_arrays(arrays)
    with pytest.raises(StageError, match="the camera is inside `card` in frame 1"):
        assemble.check_views(cache.static, cache.states, hand.SIZE, layout=hand.solved_layout())


@pytest.mark.parametrize(("backdrop_y_m", "is_refused"), [(40.0, False), (-1.0, True)])
def test_a_camera_behind_the_backdrop_is_an_error(tmp_path, backdrop_y_m, is_refused):
    cache = hand.cached(tmp_path, hand.scene(2, has_copy=False))
    background = {"kind": "ground_and_backdrop", "backdrop_y_m": backdrop_y_m}
    layout = dataclasses.replace(hand.solved_layout(), background=background)
    expected = pytest.raises(StageError, match="the camera is behind the backdrop in frame 0")
    with expected if is_refused else contextlib.nullcontext():
        assemble.check_views(cache.static, cache.states, hand.SIZE, layout=layout)


def test_an_object_that_is_never_in_the_picture_is_a_warning(tmp_path):
    cache = hand.cached(tmp_path, hand.scene(3))
    layout = hand.solved_layout()
    assert assemble.check_views(cache.static, cache.states, hand.SIZE, layout=layout) == []
    for state in cache.states:
        arrays = state.read_arrays()
        arrays["transforms"][1][0, 3] += 100
        state.write_arrays(arrays)
    warnings = assemble.check_views(cache.static, cache.states, hand.SIZE, layout=layout)
    assert warnings == ["`card` is outside the picture in every frame"]


def test_arguments_after_two_dashes_count_as_under_blender(tmp_path, made):
    script = hand.write_script(tmp_path / "script", made)
    scene = tmp_path / "scene"
    background, card = hand.Mesh(tmp_path / "background"), hand.Mesh(tmp_path / "card")
    background.write(hand.background_mesh())
    card.write(hand.card_mesh())
    assemble.lay_out(scene, script, [("background", background), ("2_card", card)])
    command = [sys.executable, str(scene / "scene.py"), "-b", "-P", "scene.py", "--", "--emit", "cameras"]
    subprocess.run([*command, "--out", str(tmp_path / "o")], check=True, capture_output=True)
    assert (tmp_path / "o" / "cameras.json").is_file()
    assert not (tmp_path / "o" / "scene.blend").exists()
