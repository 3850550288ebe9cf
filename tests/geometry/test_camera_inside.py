import numpy as np
import pytest

from i2v3d.geometry.camera_inside import Surroundings, is_crossing, where_outside
from i2v3d.geometry.scene_checks import Thing

WALL = np.array([[-5.0, 10, -5], [5, 10, -5], [5, 10, 5], [-5, 10, 5]])
WALL_FACES = np.array([[0, 1, 2], [0, 2, 3]])
CUBE = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (4.0, 6.0) for z in (0.0, 2.0)])
CUBE_FACES = np.array(
    [
        [0, 1, 3],
        [0, 3, 2],
        [4, 6, 7],
        [4, 7, 5],
        [0, 4, 5],
        [0, 5, 1],
        [2, 3, 7],
        [2, 7, 6],
        [0, 2, 6],
        [0, 6, 4],
        [1, 5, 7],
        [1, 7, 3],
    ]
)
SOURCE = np.array([0.0, 0.0, 1.6])


def outside(place, background):
    pose = np.eye(4)
    pose[:3, 3] = place
    state = {"world_from_camera": pose, "transforms": np.stack([np.eye(4), np.eye(4)])}
    things = [Thing("cube", 2, CUBE, CUBE_FACES, False)]
    return where_outside(Surroundings(SOURCE, background, WALL, WALL_FACES, things), state)


@pytest.mark.parametrize(
    ("place", "background", "where"),
    [
        ((3, 1, 1.6), {"kind": "ground_and_backdrop", "backdrop_y_m": 10.0}, ""),
        ((3, 1, -0.1), {"kind": "ground_and_backdrop", "backdrop_y_m": 10.0}, "behind the ground"),
        ((3, 10.5, 1.6), {"kind": "ground_and_backdrop", "backdrop_y_m": 10.0}, "behind the backdrop"),
        ((0.1, 5, 1.1), {"kind": "backdrop", "backdrop_y_m": 10.0}, "inside `cube`"),
        ((3, 9.5, 1.6), {"kind": "depth"}, ""),
        ((3, 11, 1.6), {"kind": "depth"}, "behind the background"),
        ((30, 11, 1.6), {"kind": "depth"}, ""),  # beside the wall, not behind it
    ],
)
def test_where_a_camera_is_outside_of_the_scene(place, background, where):
    assert outside(place, background) == where


def test_a_way_of_no_length_crosses_nothing():
    assert not is_crossing(SOURCE, SOURCE, WALL[WALL_FACES])
