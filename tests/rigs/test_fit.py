import math

import numpy as np
import pytest

from i2v3d.rigs.fit import fit_skeleton, make_bones, place_along_ray
from i2v3d.rigs.presets import PRESETS
from tests import clay_figures as clay


def fit(preset, mesh, pins=None):
    return fit_skeleton(PRESETS[preset], mesh.vertices, mesh.faces, pins or {})


def turned(mesh, degrees):
    mesh = mesh.copy()
    angle = math.radians(degrees)
    matrix = np.eye(4)
    matrix[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    mesh.apply_transform(matrix)
    return mesh


@pytest.mark.parametrize(
    ("joint", "place"),
    [
        ("left_knee", (0.066, 0.3)),
        ("left_ankle", (0.07, 0.06)),
        ("right_wrist", (-0.29, 0.54)),
        ("left_elbow", (0.2, 0.66)),
        ("left_shoulder", (0.1, 0.785)),
        ("head", (0.0, 0.88)),
    ],
)
def test_a_humanoids_joints_are_where_the_figures_limbs_meet(joint, place):
    found = fit("humanoid", clay.overlapping(clay.humanoid_parts())).joints[joint]
    error = math.hypot(found[0] - place[0] * 1.7, found[2] - place[1] * 1.7) / 1.7
    assert error < 0.035, f"{joint} is off by {error:.1%} of the height"


def test_a_humanoid_is_fitted_alike_on_both_sides():
    joints = fit("humanoid", clay.overlapping(clay.humanoid_parts())).joints
    for name, (x, y, z) in joints.items():
        if name.startswith("left"):
            other = joints[name.replace("left", "right")]
            assert np.allclose((-x, y, z), other, atol=0.01), name


@pytest.mark.parametrize("degrees", [0, 90, -90, 180])
def test_a_creature_that_looks_elsewhere_gets_its_head_at_its_head(degrees):
    skeleton = fit("quadruped", turned(clay.overlapping(clay.creature_parts()), degrees))
    angle = math.radians(degrees)
    forward = np.array([math.sin(angle), -math.cos(angle), 0.0])
    assert np.array(skeleton.joints["muzzle"]) @ forward > 0.6
    assert np.array(skeleton.joints["tail_tip"]) @ forward < -0.6
    assert np.array(skeleton.joints["left_front_ankle"]) @ forward > 0.2


def test_wheels_are_the_cars_wheels():
    skeleton = fit("vehicle", clay.car())
    assert skeleton.wheels == pytest.approx(dict.fromkeys(skeleton.wheels, 0.25), abs=1e-6)
    middle = np.mean([skeleton.joints["wheel_front_left_inner"], skeleton.joints["wheel_front_left_outer"]], axis=0)
    assert np.allclose(middle, (0.45, -0.7, 0.25), atol=1e-6)


def test_a_pinned_joint_is_where_it_is_pinned_and_carries_what_hangs_on_it():
    mesh = clay.overlapping(clay.humanoid_parts())
    free, pin = fit("humanoid", mesh), np.array([0.5, -0.1, 1.3])
    pinned = fit("humanoid", mesh, {"left_elbow": pin})
    way = pin - free.joints["left_elbow"]
    assert np.allclose(pinned.joints["left_elbow"], pin, atol=1e-5)
    assert np.allclose(pinned.joints["left_wrist"], free.joints["left_wrist"] + way, atol=1e-5)
    assert pinned.joints["right_elbow"] == free.joints["right_elbow"]


def test_pins_say_how_large_a_figure_is_that_the_picture_cuts():
    mesh = clay.overlapping(clay.humanoid_parts())
    upper = mesh.vertices[mesh.vertices[:, 2] > 1.0]
    pins = {"crown": np.array([0, 0, 1.7]), "chest": np.array([0, 0, 1.17]), "left_shoulder": np.array([0.17, 0, 1.34])}
    joints = fit_skeleton(PRESETS["humanoid"], upper, mesh.faces, pins).joints
    assert joints["left_knee"][2] == pytest.approx(0.5, abs=0.12), "the knees are below the picture"
    assert joints["head"][2] == pytest.approx(1.48, abs=0.06)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_bone_has_a_length_and_follows_its_parent(preset):
    mesh = clay.car() if preset == "vehicle" else clay.overlapping(clay.creature_parts())
    bones = make_bones(PRESETS[preset], fit(preset, mesh))
    names = [bone.name for bone in bones]
    for index, bone in enumerate(bones):
        assert math.dist(bone.head, bone.tail) > 1e-3, bone.name
        assert not bone.parent or names.index(bone.parent) < index


def test_a_ray_finds_the_middle_of_the_body():
    mesh = clay.capsule((0, 5, 0), (0, 5, 1), 0.2)
    place = place_along_ray(mesh.vertices, np.zeros(3), np.array([0.0, 1.0, 0.1]))
    assert place == pytest.approx([0, 5, 0.5], abs=0.03)
