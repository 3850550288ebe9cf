import numpy as np
import pytest

from i2v3d.geometry.frames import Camera, Intrinsics, Resolution
from i2v3d.geometry.orbit_views import (
    ELEVATIONS_RAD,
    FOV_RAD,
    drawn_near,
    flight,
    look_at_pose,
    orbit_camera,
    seen_centre,
    six_view_cameras,
    sweep_stops,
)

BOX = np.array([[x, y, z] for x in (-1.0, 2) for y in (-0.5, 0.5) for z in (0.0, 3)])
TOWARDS_PHOTO = np.array([0.0, -1.0, 0.0])


def test_every_corner_is_inside_every_view():
    for camera in six_view_cameras(BOX, TOWARDS_PHOTO):
        pixels, depth = camera.project(BOX)
        assert (depth > 0).all()
        assert ((pixels > 0) & (pixels < 320)).all()


def test_azimuth_counts_from_the_photo_to_the_cameras_right():
    first = six_view_cameras(BOX, TOWARDS_PHOTO)[0].world_from_camera[:3, 3] - BOX.mean(axis=0)
    assert np.isclose(np.degrees(np.arctan2(first[0], -first[1])), 30)


def test_elevations_alternate_and_are_absolute():
    for camera, elevation in zip(six_view_cameras(BOX, TOWARDS_PHOTO), ELEVATIONS_RAD, strict=True):
        out = camera.world_from_camera[:3, 3] - BOX.mean(axis=0)
        assert np.isclose(np.arcsin(out[2] / np.linalg.norm(out)), elevation)
        assert np.isclose(2 * np.arctan(160 / camera.intrinsics.focal_x_px), FOV_RAD)


def test_up_is_up_in_the_picture():
    camera = six_view_cameras(BOX, TOWARDS_PHOTO)[3]
    (foot, head), _ = camera.project(np.array([[0.5, 0, 0.0], [0.5, 0, 3]]))
    assert head[1] < foot[1]


def ring_and_source():
    """The six views of a 2 m cube that stands 6 m before a source camera, in the world, and that camera."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 2)], float)
    size = Resolution(640, 360)
    source = Camera(Intrinsics(600, 600, 320, 100, size), look_at_pose(np.array([0, 0, 1.6]), np.array([0.5, 6, 1.6])))
    place = np.array([0.5, 6.0, 0.0])
    views = []
    for camera in six_view_cameras(corners, np.array([0.0, -1.0, 0.0])):
        pose = camera.world_from_camera.copy()
        pose[:3, 3] += place
        views.append(Camera(camera.intrinsics, pose))
    return source, views, place + np.array([0.0, 0.0, 1.0])


def test_the_axes_of_the_six_views_meet_in_the_middle_of_the_object():
    _, views, middle = ring_and_source()
    assert seen_centre(views) == pytest.approx(middle)


def test_a_sweep_stops_at_the_views_before_the_object_that_are_above_the_ground():
    source, views, _ = ring_and_source()
    stops = sweep_stops(source, views)
    assert stops[0] is source
    assert all(stop.world_from_camera[2, 3] > 0 for stop in stops)
    assert len(stops) == 2  # that at -30 degrees looks up from below the ground
    lift = np.zeros((4, 4))
    lift[2, 3] = 3.0
    lifted = [Camera(view.intrinsics, view.world_from_camera + lift) for view in views]
    places = [stop.world_from_camera[0, 3] for stop in sweep_stops(source, lifted)]
    assert len(places) == 4
    assert places[1] > 0.5 > places[3]
    assert places[0] == places[2] == 0.0


def test_a_flight_stands_in_every_stop_and_keeps_the_object_in_the_middle_between_two_views():
    source, views, middle = ring_and_source()
    stops = [views[0], views[1], source]
    cameras = flight(stops, middle, 21)
    for index, stop in enumerate(stops):
        assert cameras[10 * index].world_from_camera == pytest.approx(stop.world_from_camera)
    for camera in cameras[:11]:
        pixel = camera.project(middle)[0]
        assert pixel == pytest.approx([160, 160], abs=10)
    steps = np.linalg.norm(np.diff([camera.world_from_camera[:3, 3] for camera in cameras], axis=0), axis=1)
    assert steps[0] < 0.3 * steps[5]
    assert steps[9] < 0.3 * steps[5]


def test_stops_drawn_near_are_part_of_the_way_round_the_object_and_the_first_stays():
    vertices = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    stops = [orbit_camera(vertices, azimuth, 0.2) for azimuth in (-1.5, -0.9)]
    near = drawn_near(stops, seen_centre(stops), 0.5)
    assert near[0] is stops[0]
    places = [camera.world_from_camera[:3, 3] for camera in (*stops, near[1])]
    ways = [np.linalg.norm(places[2] - place) for place in places[:2]]
    assert ways[0] == pytest.approx(ways[1], rel=1e-6), "halfway"
    assert np.allclose(drawn_near(stops, seen_centre(stops), 1.0)[1].world_from_camera, stops[1].world_from_camera)
