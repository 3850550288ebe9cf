import numpy as np
import trimesh

from i2v3d.geometry.contact import standing_height_m, surface_height_m


def test_the_height_is_that_of_the_highest_face_below():
    table = trimesh.creation.box((2, 2, 1))  # from -0.5 to 0.5
    found = surface_height_m(np.array([[0.0, 0.0], [0.9, -0.9], [1.1, 0.0]]), table.vertices, table.faces)
    assert found.tolist() == [0.5, 0.5, -np.inf]


def test_a_thing_over_a_step_stands_on_the_higher_side():
    low, high = trimesh.creation.box((1, 1, 1)), trimesh.creation.box((1, 1, 2))
    high.apply_translation((1, 0, 0))
    steps = trimesh.util.concatenate([low, high])
    thing = trimesh.creation.box((1, 1, 1)).vertices + np.array([0.5, 0, 9])
    assert standing_height_m(thing, steps.vertices, steps.faces) == 1.0
    assert standing_height_m(thing + np.array([9, 0, 0]), steps.vertices, steps.faces) == -np.inf
