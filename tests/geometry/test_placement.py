import numpy as np
import pytest
import trimesh

from i2v3d.geometry.placement import are_inside, crossed_surface, is_in_picture, is_inside, winding_number

BALL = trimesh.creation.icosphere(subdivisions=3, radius=2.0)


@pytest.mark.parametrize(("place", "expected"), [((0.3, 0.2, 0.1), 1.0), ((1.9, 0, 0), 1.0), ((2.1, 0, 0), 0.0)])
def test_a_surface_winds_once_round_what_it_holds(place, expected):
    assert winding_number(np.array(place), BALL.vertices, BALL.faces) == pytest.approx(expected, abs=1e-9)


def test_a_small_hole_does_not_let_the_inside_out():
    assert is_inside(np.zeros(3), BALL.vertices, BALL.faces[20:])
    assert is_inside(np.zeros(3), BALL.vertices, BALL.faces[:, ::-1])


def test_a_flat_card_has_no_inside():
    card = np.array([[-1.0, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    assert not is_inside(np.array([0.2, 0.5, 0.1]), card, faces)


def test_only_what_is_before_the_camera_is_in_the_picture():
    k = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    assert is_in_picture(np.array([[0.0, 0, 1]]), k, 100, 80)
    assert not is_in_picture(np.array([[0.0, 0, -1]]), k, 100, 80)
    assert not is_in_picture(np.array([[0.6, 0, 1.0]]), k, 100, 80)


def test_a_face_that_fills_the_picture_is_in_it_although_no_corner_is():
    k = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    wall = np.array([[-9.0, -9, 2], [9, -9, 2], [9, 9, 2], [-9, 9, 2]])
    assert is_in_picture(wall, k, 100, 80)
    assert not is_in_picture(wall + np.array([20, 0, 0]), k, 100, 80)


@pytest.mark.parametrize(
    ("point", "crossed"),
    [
        ((0, 0, 1.6), ""),
        ((0, 4.9, 1), ""),
        ((0, 5.1, 1), "the back wall"),
        ((-3, 0, 1), "the left wall"),
        ((3, 0, 1), "the right wall"),
        ((0, 0, 2.5), "the ceiling"),
        ((0, 0, -0.1), "the ground"),
    ],
)
def test_the_walls_of_a_room_are_told_apart(point, crossed):
    room = {"kind": "room", "back_m": 5.0, "left_m": -2.0, "right_m": 2.0, "ceiling_m": 2.4}
    assert crossed_surface(np.array(point), room, np.array([0, 0, 1.6])) == crossed


def test_a_dome_is_round_about_the_source_camera_and_a_floating_backdrop_has_no_ground():
    source = np.array([0, 0, 2.0])
    assert crossed_surface(np.array([0, 9.0, 4]), {"kind": "dome", "radius_m": 9.0}, source) == "the dome"
    backdrop = {"kind": "backdrop", "backdrop_y_m": 9.0}
    assert crossed_surface(np.array([0, 8.0, -4]), backdrop, source) == ""
    assert crossed_surface(np.array([0, 9.5, 4]), backdrop, source) == "the backdrop"
    assert crossed_surface(np.array([0, 9.5, -4]), {"kind": "depth", "far_m": 5.0}, source) == ""


def test_rays_find_what_is_inside_a_ball_with_holes():
    ball = trimesh.creation.icosphere(4)
    faces = ball.faces[np.random.default_rng(3).random(len(ball.faces)) > 0.02]
    points = np.random.default_rng(4).uniform(-1.2, 1.2, (300, 3))
    radius = np.linalg.norm(points, axis=1)
    clear = np.abs(radius - 1) > 0.02
    assert (are_inside(points, ball.vertices, faces) == (radius < 1))[clear].mean() > 0.99
    assert not are_inside(np.array([[5.0, 0, 0]]), ball.vertices, faces).any()
