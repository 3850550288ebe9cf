"""Meshes that change over time, from spec to resolved records; what is wrong with them is in `broken/`."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from project import make_project

from i2v3d.spec import load_scene
from i2v3d.spec.resolved import MeshPlay, MeshSequence

HEAD = "source: photo.jpg\noutput: {fps: 24, duration: 2s}\nobjects:\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("sequences") / "project")


@pytest.fixture
def load(project):
    def load_text(text):
        (project / "scene.yaml").write_text(HEAD + text)
        return load_scene(project)

    return load_text


def test_files_stand_in_the_order_of_their_numbers_and_missing_ones_are_told(load, project):
    loaded = load("  splash: {mesh: {sequence: steps/flow_*.obj}, place: {at: [0, 5]}}\n")
    (splash,) = loaded.scene.objects
    steps = project.resolve() / "steps"
    assert splash.shape == MeshSequence(steps / "flow_08.obj", (steps / "flow_09.obj", steps / "flow_11.obj"))
    assert loaded.scene.sequences == {"splash": MeshPlay((0, 1, 3), 1.0, 0.0, False)}
    (warning,) = loaded.warnings
    assert "of the numbers 8 to 11, 1 have no file (10)" in warning.message


def test_rate_start_and_loop_are_told_in_frames_and_a_copy_plays_too(load):
    options = "{files: steps/flow_*.obj, fps: 12, from: 0.5s, loop: true}"
    text = f"  splash: {{mesh: {{sequence: {options}}}, place: {{at: [0, 5]}}}}\n"
    text += "  again: {copy: splash, place: {at: [1, 0]}, material: {tint: '#ff8800'}}\n"
    plays = load(text).scene.sequences
    assert plays == dict.fromkeys(("splash", "again"), MeshPlay((0, 1, 3), 0.5, 12.0, True))


def test_an_alembic_cache_is_a_mesh_file_or_a_sequence(load, project):
    for mesh, fps in (("{file: flag.abc}", 24.0), ("{sequence: {files: flag.abc, fps: 48}}", 48.0)):
        scene = load(f"  flag: {{mesh: {mesh}, place: {{at: [0, 5]}}}}\n").scene
        assert scene.objects[0].shape == MeshSequence(project.resolve() / "flag.abc", abc_fps=fps)
        assert scene.sequences["flag"] == MeshPlay((), fps / 24, 0.0, False)


def test_shape_edits_of_what_changes_are_not_possible_yet(load):
    mesh = "mesh: {sequence: steps/flow_*.obj}, place: {at: [0, 5]}"
    loaded = load(f"  splash: {{{mesh}, shape: {{twist: 20deg}}}}\n")
    assert [problem.path for problem in loaded.unavailable] == ["objects.splash.shape"]
