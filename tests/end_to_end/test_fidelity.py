"""With nothing moved, the render is the photo: on all real scenes, at full size."""

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from i2v3d.artifacts.images import Image, Matte
from i2v3d.artifacts.passes import Passes
from i2v3d.execute.project import ProjectOptions, open_project
from i2v3d.plan.resolve import Resolver

sys.path.insert(0, str(Path(__file__).parent))
from scenes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.blender]

FIRST_OBJECT_ID = 2


def unmoved(name: str, folder: Path, mesh: str | None = None) -> Path:
    """Writes a scene without its motion and camera path, of two frames, and returns its spec."""
    source = ROOT / "specs" / name
    spec = yaml.safe_load((source / "scene.yaml").read_text())
    spec["source"]["image"] = str(source / spec["source"]["image"])
    spec["output"]["duration"] = "1f"
    spec.pop("motion", None)
    spec.pop("camera", None)
    spec["objects"] = {name: thing for name, thing in spec["objects"].items() if "segment" in thing}  # not added ones
    for thing in spec["objects"].values():
        thing["mesh"] = mesh or thing["mesh"]
    file = folder / "scene.yaml"
    file.write_text(yaml.safe_dump(spec))
    return file


def stored_outputs(project):
    """Returns a function from (step, output) to the stored file of a build that is done."""
    resolver, records = Resolver(project.graph, project.store), {}
    for name in project.graph.nodes:
        records[name] = project.store.records.find(resolver.key(name, resolver.inputs(name, records)))
    return lambda step, output: [
        project.store.objects.path(file.digest) for file in records[step].outputs[output].files
    ]


@pytest.mark.parametrize(
    ("name", "mesh"),
    [
        ("rocket", None),
        ("coffee", None),
        ("chelsea", None),
        ("astronaut", None),
        ("field", None),
        ("coffee", "inflate"),
    ],
)
def test_the_unmoved_render_is_the_photo(name, mesh, tmp_path):
    options = ProjectOptions(unmoved(name, tmp_path, mesh), allow_paths=(ROOT / "specs",), until="render")
    project = open_project(options)
    result = project.build(lambda event: None)
    assert result.is_success, result.failures
    stored = stored_outputs(project)
    scene = project.loaded.scene
    top, left, size = scene.photo.window_top, scene.photo.window_left, scene.output.size
    window = np.s_[top : top + size.height, left : left + size.width]
    photo = Image(stored("prepare", "photo")[0]).read()[window].astype(int)
    render = Image(stored("render[0]", "colour")[0]).read().astype(int)
    difference = np.abs(render - photo).mean()
    ids = Passes(stored("render[0]", "passes")[0]).read().ids
    for index, thing in enumerate(scene.objects):
        alpha = Matte(stored(f"segment[{thing.name}]", "alpha")[0]).read()[window]
        is_object, is_drawn = alpha >= 128, ids == FIRST_OBJECT_ID + index
        overlap = (is_object & is_drawn).sum() / (is_object | is_drawn).sum()
        report = f"{name}: mean absolute difference {difference:.3f} of 255, silhouette IoU {overlap:.4f}"
        print(report)  # noqa: T201  # the figures of the closing note
        assert overlap >= 0.98
    assert difference <= 1.0
