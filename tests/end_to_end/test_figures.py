"""A clip from a .bvh file on a figure from a file, with something on its head, from spec to scene cache."""

import json

import numpy as np
import pytest
import trimesh

from tests import clay_figures as clay
from tests.end_to_end.scenes import SPEC, i2v3d, write_spec
from tests.rigs.bvh_files import names_in, write_bvh
from tests.rigs.test_clips import played

pytestmark = [pytest.mark.blender, pytest.mark.slow]
Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
OBJECTS = {
    "hero": {"mesh": {"file": "hero.glb"}, "place": {"at": [0, 12]}, "height": "1.7m"},
    "hat": {"mesh": {"file": "hat.glb"}, "parent": {"to": "hero.head", "grip": True}},
}


def spec(clip, **clip_options):
    motion = {"hero": {"rig": "humanoid", "clips": [{"file": clip, **clip_options}]}}
    camera = [{"at": 8, "look_at": "hat"}]
    return SPEC | {"objects": OBJECTS, "motion": motion, "camera": camera}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    for name, mesh in (
        ("hero.glb", clay.overlapping(clay.humanoid_parts())),
        ("hat.glb", trimesh.creation.cylinder(0.2, 0.1)),
    ):
        mesh.apply_transform(Y_UP).export(folder / name)
    rig, made, _ = played("humanoid", "walk", frames=24.0, cycles=1)
    file = write_bvh(folder / "walk.bvh", rig, made, 24, names=names_in(rig))
    (folder / "cut.bvh").write_text(file.read_text()[:-300])
    return folder


def test_a_figure_walks_with_its_hat_on_and_a_change_of_speed_reads_no_file_again(folder):
    file = write_spec(folder, spec("walk.bvh"))
    i2v3d("build", file, "--until", "check")
    out = folder / "out" / "small"
    assert (out / "scene" / "clips" / "1_1.npz").exists()
    findings = json.loads((out / "check" / "findings.json").read_text())["findings"]
    assert not [one for one in findings if one["kind"] == "overbent"]
    write_spec(folder, spec("walk.bvh", speed=2.0))
    said = i2v3d("build", file, "--until", "check").stdout
    assert "3 steps run" in said, "the script, Blender and the check; neither the file nor its retargeting"


def test_a_file_that_is_cut_off_is_told_with_its_line_and_that_of_the_spec(folder):
    file = write_spec(folder, spec("cut.bvh"))
    run = i2v3d("build", file, "--until", "check", check=False)
    assert run.returncode == 1
    assert "cut.bvh:" in run.stdout + run.stderr
    assert "scene.yaml:" in run.stdout + run.stderr
