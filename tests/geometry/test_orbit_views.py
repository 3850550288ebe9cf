import numpy as np

from i2v3d.geometry.orbit_views import ELEVATIONS_RAD, FOV_RAD, six_view_cameras

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
