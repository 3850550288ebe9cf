"""The early checks on real scenes: each fires where it should, and none on the shipped specs."""

import copy
import sys
from pathlib import Path

import pytest
import yaml

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.scene import JsonFile
from i2v3d.execute.project import ProjectOptions, open_project
from i2v3d.spec import load_scene

sys.path.insert(0, str(Path(__file__).parent))
from scenes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.blender]

SHIPPED = sorted(file.parent.name for file in (ROOT / "specs").glob("*/scene.yaml"))
COFFEE = yaml.safe_load((ROOT / "specs" / "coffee" / "scene.yaml").read_text())


def built(spec, until="check", overrides=()):
    project = open_project(ProjectOptions(spec, until=until, overrides=overrides, allow_paths=(ROOT / "specs",)))
    return project.build(lambda event: None)


def coffee(folder, **changes):
    """Writes the coffee scene at a quarter of its size, with sections changed, and returns its spec."""
    spec = copy.deepcopy(COFFEE) | {"output": {"size": [192, 128], "fps": 24, "duration": "1s"}}
    spec["source"]["image"] = str(ROOT / "specs" / "coffee" / "coffee.png")
    for section in ("motion", "camera"):
        spec.pop(section, None)
    for name, value in changes.items():
        spec[name] = spec[name] | value if isinstance(spec.get(name), dict) else value
    file = folder / "scene.yaml"
    file.write_text(yaml.safe_dump(spec))
    return file


def findings(spec, *overrides):
    result = built(spec, overrides=overrides)
    assert result.is_success, result.failures
    folder = next(path.parent for path in result.delivered.values() if path.name == "findings.json")
    return JsonFile(folder / "findings.json").read_json()["findings"], folder


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_specs_have_no_findings(name, tmp_path):
    for file in (ROOT / "specs" / name).iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    size = load_scene(tmp_path).scene.output.size
    half = f"output.size=[{size.width // 4 * 2}, {size.height // 4 * 2}]"
    assert findings(tmp_path / "scene.yaml", half)[0] == []


FAULTS = {
    "leaves": {"motion": {"cup": [{"at": 0}, {"at": "1s", "move": [0.8, 0, 0]}]}},
    "below_ground": {"motion": {"cup": [{"at": 0}, {"at": "1s", "move": [0, 0, -0.05]}]}},
    "collides": {
        "objects": {**COFFEE["objects"], "other": {"copy": "cup", "place": {"at": [0.5, 0, 0]}}},
        "motion": {"other": [{"at": 0}, {"at": "1s", "move": [-0.4, 0, 0]}]},
    },
    "too_fast": {"motion": {"cup": [{"at": 0}, {"at": "1s", "rotate": [0, 0, "150deg"]}]}},
    "open_loop": {
        "motion": {"cup": [{"at": 0}, {"at": "1s", "move": [0.02, 0, 0]}]},
        "output": {"size": [192, 128], "fps": 24, "duration": "1s", "loop": True},
    },
    "unobserved": {"camera": {"through": "cup"}},
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_found_in_a_real_scene_with_its_frame_and_what_to_do(kind, tmp_path):
    found, folder = findings(coffee(tmp_path, **FAULTS[kind]))
    (one,) = [finding for finding in found if finding["kind"] == kind]
    assert 0 <= one["frame"] <= 24
    assert one["hint"]
    if kind == "unobserved":
        assert f"frame {one['frame']}" in one["message"]
        picture = Image(folder / "unobserved.png").read().astype(int)
        assert (picture[..., 0] - picture[..., 1] > 60).mean() > 0.2, "what is made up is red"


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        ([{"at": 0}, {"at": "1s", "move": [0, 0.32, -0.44]}], "inside `cup`"),
        ([{"at": 0}, {"at": "1s", "move": [0, 0, -0.6]}], "behind the ground"),
    ],
)
def test_a_camera_where_nothing_can_be_seen_stops_the_build_before_anything_is_drawn(camera, message, tmp_path):
    solid = {"cup": COFFEE["objects"]["cup"] | {"mesh": "box"}}
    result = built(coffee(tmp_path, camera=camera, objects=solid), until="render")
    (failure,) = result.failures.values()
    assert message in str(failure)
    assert "frame" in str(failure)
    assert not [step for step in result.executed if step.startswith("render")]
