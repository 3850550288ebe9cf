"""Every preset on what each of the four photos became, and on mesh files: bound so that it holds, or refused."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from i2v3d.artifacts.scene import Mesh
from i2v3d.backends.embedded.mesh_files import load_mesh_file
from i2v3d.execute.project import ProjectOptions, open_project
from i2v3d.plan.resolve import Resolver
from i2v3d.rigs.presets import PRESETS
from tests import clay_figures as clay
from tests.rigs.probing import bound

pytestmark = [pytest.mark.blender, pytest.mark.slow]

SPECS = Path(__file__).resolve().parents[2] / "specs"
PHOTOS = ("rocket", "coffee", "chelsea", "astronaut")
MAX_STRETCH = 3.0
# Joints of a figure that the picture cuts, as shares of the photo, and of the mesh's depth.
ASTRONAUT_PINS = {
    "crown": (0.45, 0.04),
    "neck": (0.45, 0.3),
    "left_shoulder": (0.62, 0.5),
    "right_shoulder": (0.25, 0.45),
}
# What these presets are for; of the others (a cup with legs) the checks must say so before anything is torn.
MUST_HOLD = {"humanoid.astronaut_pinned", "quadruped.chelsea", *(f"hinge.{name}" for name in PHOTOS)}
FILES = {
    "humanoid": lambda: clay.solid(clay.humanoid_parts(), 0.03),
    "quadruped": lambda: clay.solid(clay.creature_parts(), 0.025),
    "fish": lambda: clay.solid(clay.fish_parts(), 0.02),
    "snake": lambda: clay.solid([((0, -1, 0.1), (0, 1, 0.1), 0.05)], 0.015),
    "bird": lambda: clay.solid(clay.bird_parts(), 0.02),
    "vehicle": clay.car,
}


def reconstructed(name, folder):
    """Returns the mesh of a shipped spec's first object, from its photo at a quarter of the size."""
    spec = yaml.safe_load((SPECS / name / "scene.yaml").read_text())
    spec["source"]["image"] = str(SPECS / name / spec["source"]["image"])
    spec["output"] |= {"size": [side // 8 * 2 for side in spec["output"]["size"]], "duration": "1f"}
    for section in ("motion", "camera"):
        spec.pop(section, None)
    folder.mkdir()
    (folder / "scene.yaml").write_text(yaml.safe_dump(spec))
    project = open_project(ProjectOptions(folder / "scene.yaml", allow_paths=(SPECS,), until="foreground_mesh"))
    result = project.build(lambda event: None)
    assert result.is_success, result.failures
    wanted = f"foreground_mesh[{project.loaded.scene.objects[0].name}]"
    resolver, records = Resolver(project.graph, project.store), {}
    for node in project.graph.nodes:
        records[node] = project.store.records.find(resolver.key(node, resolver.inputs(node, records)))
        if node == wanted:
            break
    (folder / "mesh").mkdir()
    for file in records[wanted].outputs["mesh"].files:
        (folder / "mesh" / file.path).write_bytes(project.store.objects.path(file.digest).read_bytes())
    return Mesh(folder / "mesh").read()


def pinned(mesh):
    """Returns the pins of the astronaut in the mesh's frame; the photo shows the mesh from x 0.04, y 0.03 on."""
    low, extent = mesh.vertices_m.min(axis=0), np.ptp(mesh.vertices_m, axis=0)
    places = {}
    for joint, (x, y) in ASTRONAUT_PINS.items():
        shares = np.array([(x - 0.04) / 0.96, 0.5, (1 - y) / 0.97])
        places[f"pin_{joint}"] = low + shares * extent
    return places


@pytest.fixture(scope="module")
def of_photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("meshes")
    for name in PHOTOS:
        mesh = reconstructed(name, tmp_path_factory.mktemp("scene") / name)
        arrays = {"vertices": mesh.vertices_m, "faces": mesh.faces}
        for preset in PRESETS:
            np.savez(folder / f"{preset}.{name}.npz", **arrays)
        if name == "astronaut":
            np.savez(folder / "humanoid.astronaut_pinned.npz", **arrays, **pinned(mesh))
    return bound(folder)


@pytest.fixture(scope="module")
def of_files(tmp_path_factory):
    folder, files = tmp_path_factory.mktemp("meshes"), tmp_path_factory.mktemp("files")
    found = {}
    for preset, make in FILES.items():
        figure = make()
        figure.apply_transform(np.array([[1, 0, 0, 3], [0, 0, 1, 2], [0, -1, 0, -1], [0, 0, 0, 1.0]]))  # Y up, anywhere
        found[f"{preset}.clay"] = files / f"{preset}.glb"
        figure.export(found[f"{preset}.clay"])
    found["humanoid.toy"] = SPECS / "field" / "toy.glb"
    for name, file in found.items():
        mesh = load_mesh_file(file)
        np.savez(folder / f"{name}.npz", vertices=mesh.vertices_m, faces=mesh.faces)
    return bound(folder)


@pytest.mark.parametrize("name", [f"{preset}.{photo}" for preset in PRESETS for photo in PHOTOS])
def test_what_a_photo_became_is_bound_so_that_it_holds_or_refused_with_the_reason(of_photos, name):
    found = of_photos[name]
    if "error" in found:
        assert name not in MUST_HOLD, found["error"]
        assert "stretches edges" in found["error"] or "no body" in found["error"]
        return
    assert found["unbound"] == 0
    assert found["bones"] <= 4
    assert found["crack"] < 1e-4 / 1.7
    assert found["stretch"] <= MAX_STRETCH or name.startswith("vehicle")


# The rocket, turned on a lathe, is open at its base: what it holds is not defined.
@pytest.mark.parametrize("name", sorted(MUST_HOLD - {"hinge.rocket"}))
def test_what_a_preset_is_for_keeps_its_volume_in_every_test_pose(of_photos, name):
    assert len(of_photos[name]["volume"]) == 3
    for share in of_photos[name]["volume"]:
        assert 0.8 < share < 1.25, f"{name}: {of_photos[name]['volume']} of its volume is left"


@pytest.mark.parametrize("name", [*(f"{preset}.clay" for preset in FILES), "humanoid.toy"])
def test_a_supplied_file_is_bound_and_keeps_volume_and_edges(of_files, name):
    found = of_files[name]
    assert "error" not in found, found
    assert (found["unbound"], found["crack"] < 1e-4 / 1.7) == (0, True)
    assert found["stretch"] <= MAX_STRETCH or name.startswith("vehicle")
    for share in found["volume"]:
        assert 0.85 < share < 1.15, f"{name}: {found['volume']} of its volume is left"
