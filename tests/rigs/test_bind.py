"""Every preset on a suitable figure, and figures broken in the ways that generated meshes are, bound in Blender."""

import numpy as np
import pytest
import trimesh

from tests import clay_figures as clay
from tests.rigs.probing import bound

pytestmark = [pytest.mark.blender, pytest.mark.slow]


def whole():
    return clay.solid(clay.humanoid_parts(), 0.03)


def islands(mesh, count, seed=0):
    random = np.random.default_rng(seed)
    low, high = mesh.bounds
    balls = [trimesh.creation.icosphere(1, 0.012) for _ in range(count)]
    for ball in balls:
        ball.apply_translation(random.uniform(low - 0.1, high + 0.1))
    return trimesh.util.concatenate([mesh, *balls])


def unwelded(mesh):
    return trimesh.Trimesh(
        mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(mesh.faces.size).reshape(-1, 3), process=False
    )


def seams(mesh):
    """Splits the vertices between the left and the right half, as the edge of a texture does."""
    side = (mesh.triangles_center[:, 0] > 0).astype(int)
    corners = mesh.faces + len(mesh.vertices) * side[:, None]
    used, faces = np.unique(corners, return_inverse=True)
    return trimesh.Trimesh(mesh.vertices[used % len(mesh.vertices)], faces.reshape(-1, 3), process=False)


def without(mesh, is_dropped):
    return trimesh.Trimesh(mesh.vertices, mesh.faces[~is_dropped], process=False)


def holes(mesh):
    return without(mesh, np.random.default_rng(1).random(len(mesh.faces)) < 0.03)


def shell(mesh):
    return without(mesh, mesh.triangles_center[:, 1] > 0.02)


def noisy(mesh):
    vertices = mesh.vertices + np.random.default_rng(2).normal(0, 0.004, mesh.vertices.shape)
    return trimesh.Trimesh(vertices, mesh.faces, process=False)


def doubled(mesh):
    """A second sheet at the very place of the first, as the relief's front and back at an outline."""
    return trimesh.util.concatenate([unwelded(mesh), unwelded(mesh)])


def scaled(mesh, factor):
    mesh = mesh.copy()
    mesh.apply_scale(factor)
    return mesh


CORPUS = {
    "humanoid.whole": whole,
    "humanoid.overlapping": lambda: clay.overlapping(clay.humanoid_parts()),
    "humanoid.islands_3": lambda: islands(whole(), 3),
    "humanoid.islands_20": lambda: islands(whole(), 20),
    "humanoid.seams": lambda: seams(whole()),
    "humanoid.unwelded": lambda: unwelded(whole()),
    "humanoid.holes": lambda: holes(whole()),
    "humanoid.shell": lambda: shell(whole()),
    "humanoid.noisy": lambda: noisy(whole()),
    "humanoid.doubled": lambda: doubled(whole()),
    "humanoid.tiny": lambda: scaled(whole(), 0.01),
    "humanoid.huge": lambda: scaled(whole(), 40),
    "quadruped.whole": lambda: clay.solid(clay.creature_parts(), 0.025),
    "quadruped.islands_20": lambda: islands(clay.solid(clay.creature_parts(), 0.025), 20),
    "quadruped.unwelded": lambda: unwelded(clay.solid(clay.creature_parts(), 0.025)),
    "fish.whole": lambda: clay.solid(clay.fish_parts(), 0.02),
    "snake.whole": lambda: clay.solid([((0, -1, 0.1), (0, 1, 0.1), 0.05)], 0.015),
    "bird.whole": lambda: clay.solid(clay.bird_parts(), 0.02),
    "hinge.whole": lambda: clay.solid([((0, 0, 0.1), (0, 0, 1.0), 0.15)], 0.025),
    "vehicle.whole": clay.car,
    # Things that no skeleton of the kind fits: what must come is the checks or the error, never a torn mesh.
    "humanoid.card": lambda: trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 0, 1.7], [0, 0, 1.7]], [[0, 1, 2], [0, 2, 3]]),
    "humanoid.far_apart": lambda: trimesh.util.concatenate([scaled(whole(), 0.2), islands(scaled(whole(), 0.2), 1)]),
}
NOTHING_FITS = {"humanoid.card", "humanoid.far_apart"}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    for name, make in CORPUS.items():
        mesh = make()
        np.savez(folder / f"{name}.npz", vertices=mesh.vertices, faces=mesh.faces)
    return bound(folder)


@pytest.mark.parametrize("name", sorted(CORPUS))
def test_a_mesh_is_bound_so_that_it_holds_or_refused_with_the_reason(results, name):
    found = results[name]
    if "error" in found:
        assert name in NOTHING_FITS, found["error"]
        assert "can't be bound to its rig" in found["error"]
        return
    assert found["unbound"] == 0
    assert found["bones"] <= 4
    assert found["crack"] < 1e-4 / 1.7
    assert found["stretch"] <= 3.0 or name.startswith("vehicle")
    assert found["blender"] < 1e-5 * (100 if name.endswith("huge") else 1)


@pytest.mark.parametrize("name", [name for name in sorted(CORPUS) if name.endswith(("whole", "tiny", "huge", "seams"))])
def test_a_bent_body_keeps_its_volume(results, name):
    for share in results[name]["volume"]:
        assert 0.85 < share < 1.15, f"{name}: {share:.2f} of its volume is left"
