"""Figures with a skeleton of their own, as .glb and .fbx: skin, bones, and clips come out as they went in."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from i2v3d.artifacts.motion import FigureSkin, MotionFile, SkinFile, TrackFile
from i2v3d.artifacts.scene import Glb, Mesh
from i2v3d.backends.embedded.mesh_files import load_mesh_file
from i2v3d.blender.script import write_lib
from i2v3d.errors import BlenderError, StageError
from i2v3d.geometry.rig import Play, Rig, load_track
from i2v3d.geometry.rig_pose import joints, poses
from i2v3d.rigs.bone_names import map_bones
from i2v3d.rigs.fit import fit_skeleton, make_rig
from i2v3d.rigs.presets import HUMANOID
from i2v3d.rigs.retarget import retarget
from i2v3d.stages import clip, file_rig, mesh_file, motion_file
from i2v3d.stages.rig import SkeletonFile
from tests import clay_figures as clay
from tests.hand_made_scene import work

pytestmark = [pytest.mark.blender, pytest.mark.slow]
FORMS = ("glb", "fbx")


def make_figure(folder, *options):
    folder.mkdir()
    (folder / "lib").mkdir()
    write_lib(folder / "lib")
    maker = Path(__file__).with_name("make_figure.py")
    command = [sys.executable, str(maker), str(folder), str(folder), *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def figure(tmp_path_factory):
    return make_figure(tmp_path_factory.mktemp("figure") / "made")


def read(folder, file):
    """Returns the mesh of a file and the outputs of its rig."""
    form = file.suffix.lstrip(".")
    got = mesh_file.run(
        mesh_file.Inputs(file), mesh_file.Params(form), None, work(folder / "mesh_file", glb=Glb, skin=FigureSkin)
    )
    mesh = load_mesh_file(got.glb.path)
    mesh = dataclasses.replace(mesh, vertices_m=mesh.vertices_m * np.float32(2.5))  # as a height would
    stored = Mesh(folder / "mesh")
    stored.write(mesh)
    made = file_rig.run(
        file_rig.Inputs(stored, got.skin),
        file_rig.Params("hero", "humanoid", ()),
        None,
        work(folder / "rig", skeleton=SkeletonFile, skin=SkinFile),
    )
    return mesh, made


@pytest.fixture(scope="module", params=FORMS)
def loaded(request, figure, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, *read(folder, figure / f"figure.{request.param}")


def test_bones_are_named_as_the_presets_and_stand_in_the_mesh(loaded):
    _, _, mesh, made = loaded
    rig = make_rig(HUMANOID, made.skeleton.read(), "hero")
    assert set(HUMANOID.bone_names()) <= set(rig.names())
    assert (len(rig.legs), len(rig.arms), rig.turn_rad) == (2, 2, 0.0)
    assert float(np.ptp(mesh.vertices_m[:, 2])) == pytest.approx(4.25, rel=0.05)
    assert rig.leg_length() == pytest.approx(0.47 * 4.25, rel=0.05)
    low, high = mesh.vertices_m.min(axis=0) - 0.1, mesh.vertices_m.max(axis=0) + 0.1
    assert ((rig.heads() > low) & (rig.heads() < high)).all()


def test_every_vertex_has_weights_of_the_bones_near_it(loaded):
    _, _, mesh, made = loaded
    rig = make_rig(HUMANOID, made.skeleton.read(), "hero")
    weights = made.skin.read_arrays()["weights"]
    assert weights.shape == (len(mesh.vertices_m), len(rig.bones))
    assert np.abs(weights.sum(axis=1) - 1).max() < 1e-5
    hand = weights[:, rig.names().index("hand_left")] > 0.9
    wrist = rig.heads()[rig.names().index("hand_left")]
    assert hand.any()
    assert np.linalg.norm(mesh.vertices_m[hand] - wrist, axis=1).max() < 0.2 * 4.25


@pytest.mark.parametrize("name", ["walk", "wave"])
def test_a_clip_of_the_file_is_played_by_its_name(loaded, figure, name):
    form, folder, _, made = loaded
    rig = make_rig(HUMANOID, made.skeleton.read(), "hero")
    captured = motion_file.run(
        motion_file.Inputs(figure / f"figure.{form}"),
        motion_file.Params(form, name),
        None,
        work(folder / f"motion_{name}", motion=MotionFile),
    )
    got = clip.run(
        clip.Inputs(captured.motion, made.skeleton),
        clip.Params("humanoid", (), "", is_own=True),
        None,
        work(folder / f"clip_{name}", track=TrackFile),
    )
    expected = np.load(figure / f"{name}_world.npz")["places"]
    count = len(expected)
    play = Play(name, 0.0, count - 1.0, count - 1.0, track=load_track(got.track.path))
    posed = poses(Rig(**{**vars(rig), "plays": (play,)}), count, [np.eye(4)] * count)
    places = np.array([joints(rig, pose)[0] for pose in posed])[
        :, [rig.names().index(b) for b in HUMANOID.bone_names()]
    ]
    expected = expected * 2.5
    shift = (places - expected).mean(axis=(0, 1))
    worst = np.linalg.norm(places - expected - shift, axis=2).max() / 4.25
    assert worst < 0.005, f"{worst:.2%} of the height"


@pytest.mark.parametrize("form", FORMS)
def test_a_clip_of_a_file_is_brought_to_another_rig(figure, tmp_path, form):
    captured = motion_file.run(
        motion_file.Inputs(figure / f"figure.{form}"),
        motion_file.Params(form, "walk"),
        None,
        work(tmp_path / "motion", motion=MotionFile),
    )
    data = motion_file.motion_of(captured.motion)
    body = clay.solid(clay.humanoid_parts(), 0.035)
    rig = make_rig(HUMANOID, fit_skeleton(HUMANOID, body.vertices, body.faces, {}), "clay")
    got = retarget(rig, data, map_bones(HUMANOID, data.names, {}))
    expected = np.load(figure / "walk_world.npz")["places"]
    count = len(expected)
    play = Play("walk", 0.0, count - 1.0, count - 1.0, track=got.track)
    posed = poses(Rig(**{**vars(rig), "plays": (play,)}), count, [np.eye(4)] * count)
    places = np.array([joints(rig, pose)[0] for pose in posed])
    worst = np.linalg.norm(places - expected, axis=2).max() / 1.7
    assert worst < 0.01, f"{worst:.2%} of the height"
    assert got.is_on_the_spot


def test_a_clip_that_the_file_does_not_have_is_told_with_those_that_it_has(loaded, figure):
    form, folder, *_ = loaded
    with pytest.raises(BlenderError, match=r"has no clip `moonwalk`; it has `.*walk") as raised:
        motion_file.run(
            motion_file.Inputs(figure / f"figure.{form}"),
            motion_file.Params(form, "moonwalk"),
            None,
            work(folder / "moonwalk", motion=MotionFile),
        )
    assert "wave" in raised.value.message


def test_reading_twice_gives_the_same_bytes(loaded, figure, tmp_path):
    form, folder, *_ = loaded
    read(tmp_path / "again", figure / f"figure.{form}")
    for name in ("mesh_file/glb.glb", "mesh_file/skin.npz", "rig/skin.npz", "rig/skeleton.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_a_vertex_without_a_bone_is_refused(tmp_path):
    folder = make_figure(tmp_path / "made", "unweighted")
    with pytest.raises(StageError, match=r"vertices are bound to no bone"):
        read(tmp_path / "read", folder / "figure.fbx")  # Blender's .glb exporter binds such vertices itself


def test_vertices_in_no_face_are_left_out(tmp_path):
    folder = make_figure(tmp_path / "made", "loose")
    mesh, made = read(tmp_path / "read", folder / "figure.fbx")
    assert len(made.skin.read_arrays()["weights"]) == len(mesh.vertices_m)


def test_textures_come_with_the_file_or_it_is_refused(tmp_path):
    folder = make_figure(tmp_path / "made", "textured")
    mesh, _ = read(tmp_path / "embedded", folder / "embedded.fbx")
    assert mesh.texture.shape[:2] == (8, 8)
    with pytest.raises(BlenderError, match=r"figure\.fbx needs other files \(skin\.png\)"):
        read(tmp_path / "linked", folder / "figure.fbx")
