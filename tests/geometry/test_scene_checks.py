import numpy as np
import pytest
import trimesh

from i2v3d.geometry import scene_checks
from i2v3d.geometry.frames import level_camera_pose
from i2v3d.geometry.scene_checks import Thing

WIDTH, HEIGHT = 160, 120


def block(name="block", thing_id=2, *, is_added=True, carriers=()) -> Thing:
    """A cube of 1 m that stands on its origin."""
    box = trimesh.creation.box((1, 1, 1)).subdivide()
    return Thing(name, thing_id, box.vertices + np.array([0, 0, 0.5]), box.faces, is_added, carriers)


def state(*places, turn=0.0, camera=(0.0, 0.0, 1.6), focal=160.0):
    """The background and a thing at each place; the camera looks along +Y."""
    pose = level_camera_pose(0.0, 0.0)
    pose[:3, 3] = camera
    transforms = [np.eye(4)]
    for place in places:
        transform = np.eye(4)
        transform[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        transform[:3, 3] = place
        transforms.append(transform)
    image_from_camera = np.array([[focal, 0, WIDTH / 2], [0, focal, HEIGHT / 2], [0, 0, 1]])
    return {"image_from_camera": image_from_camera, "world_from_camera": pose, "transforms": np.stack(transforms)}


def test_what_leaves_the_picture_is_told_with_its_frame_and_what_comes_in_is_not():
    away = [state((x, 8, 0)) for x in (0, 3, 6, 9)]
    (found,) = scene_checks.find_leaving([block()], away, WIDTH, HEIGHT)
    assert (found.kind, found.frame) == ("leaves", 2)
    assert "`block`" in found.message
    assert not scene_checks.find_leaving([block()], away[::-1], WIDTH, HEIGHT)


def test_what_sinks_below_the_ground_is_told():
    states = [state((0, 8, 0)), state((0, 8, -0.02)), state((0, 8, -0.2))]
    (found,) = scene_checks.find_sunk([block()], states, range(3))
    assert (found.frame, "0.2 m below" in found.message) == (2, True)
    assert not scene_checks.find_sunk([block()], states[:2], range(2))


def test_what_the_photo_shows_below_the_ground_is_as_it_was():
    states = [state((0, 8, -0.5))] * 2
    assert not scene_checks.find_sunk([block(is_added=False)], states, range(2))
    assert scene_checks.find_sunk([block(is_added=True)], states, range(2))


@pytest.mark.parametrize(("distance", "is_found"), [(0.5, True), (1.001, False), (3.0, False)])
def test_things_in_one_another_are_told_and_things_side_by_side_are_not(distance, is_found):
    things = [block("one", 2), block("two", 3)]
    found = scene_checks.find_collisions(things, [state((0, 8, 0), (distance, 8, 0))], [0])
    assert [one.kind for one in found] == ["collides"] * is_found


def test_what_hangs_on_another_may_be_inside_it():
    things = [block("one", 2), block("two", 3, carriers=("one",))]
    assert not scene_checks.find_collisions(things, [state((0, 8, 0), (0.5, 8, 0))], [0])


def test_an_overlap_of_the_photo_is_no_finding():
    things = [block("one", 2, is_added=False), block("two", 3, is_added=False)]
    assert not scene_checks.find_collisions(things, [state((0, 8, 0), (0.5, 8, 0))] * 2, [0, 1])


def test_a_motion_that_keyframes_can_not_follow_is_told_with_the_spacing_that_could():
    states = [state((0, 8, 0), turn=np.radians(8 * frame)) for frame in range(21)]
    (found,) = scene_checks.find_too_fast([block()], states, (0, 15, 20), WIDTH)
    assert "turns by 120 degrees between the keyframes 0 and 15" in found.message
    assert "every: 7" in found.hint
    assert not scene_checks.find_too_fast([block()], states, (0, 5, 10, 15, 20), WIDTH)
    far = [state((0, 30, 0), turn=np.radians(8 * frame)) for frame in range(21)]
    assert not scene_checks.find_too_fast([block()], far, (0, 15, 20), WIDTH), "too small to see"
    states = [state((-2.5, 8, 0)), state((2.5, 8, 0))]
    (found,) = scene_checks.find_too_fast([block()], states, (0, 1), WIDTH)
    assert "of the picture's width" in found.message


@pytest.mark.parametrize(
    ("end", "what"),
    [
        (state((0, 8, 0)), ""),
        (state((0.1, 8, 0)), "`block`"),
        (state((0, 8, 0), camera=(0.1, 0, 1.6)), "the camera"),
        (state((0, 8, 0), focal=170.0), "the camera"),
    ],
)
def test_a_loop_must_end_where_it_starts(end, what):
    found = scene_checks.find_open_loop([block()], [state((0, 8, 0)), state((3, 8, 0)), end])
    assert [what in one.message for one in found] == [True] * bool(what)


def test_deformed_vertices_take_the_place_of_the_transform():
    thing, moved = block(), state((0, 8, 0))
    moved["vertices_2"] = (thing.vertices_m + np.array([0, 8, -1.0])).astype(np.float32)
    assert scene_checks.find_sunk([thing], [state((0, 8, 0)), moved], [1])
