"""Whole clips with known answers."""

import cv2
import numpy as np
import pytest

from i2v3d.metrics.continuity import seam_jumps
from tests.metrics import clips


@pytest.fixture(scope="module")
def moving():
    return clips.drawn()


@pytest.fixture(scope="module")
def still():
    return clips.drawn(slide_px=(0.0, 0.0), square_px=None)


def shifted(picture, x, y=0.0):
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = picture.shape[1::-1]
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def values(metrics):
    return {name: one.value for name, one in metrics.measured.items()}


def test_a_clip_that_equals_its_render_is_perfect(moving):
    found = values(clips.measured(moving))
    assert found["ssim_to_render"] == 1.0
    assert found["psnr_to_render"] == found["psnr_observed"] == 100.0
    assert found["silhouette_iou"] == found["silhouette_iou[square]"] == 1.0
    assert found["displacement"] == found["motion_error"] == 0.0
    assert found["seam_jump"] == 1.0
    assert found["camera_path_error"] == found["camera_rotation_error"] == 0.0
    assert found["unobserved_share"] == 0.0


def test_where_nothing_moves_an_equal_clip_has_no_warp_error_and_no_flicker(still):
    found = values(clips.measured(still))
    assert found["warp_error"] == found["flicker"] == 0.0


def test_a_clip_that_is_nearly_its_render_is_nearly_perfect(moving):
    """What is worked out agrees with what equal pictures are given for nothing."""

    def touched(_, picture):
        changed = picture.copy()
        changed[0, 0] ^= 1
        return changed

    equal, near = values(clips.measured(moving)), values(clips.measured(moving, touched))
    assert equal.keys() == near.keys()
    for name in equal.keys() - {"psnr_to_render", "psnr_observed"}:
        assert near[name] == pytest.approx(equal[name], abs=1e-3), name


@pytest.mark.parametrize("distance", [0.5, 2.0, 7.0, 20.0])
def test_a_shifted_clip_is_displaced_by_its_shift(moving, distance):
    found = values(clips.measured(moving, lambda _, picture: shifted(picture, distance)))
    assert found["displacement"] == pytest.approx(distance, abs=0.05)
    if distance < 10:  # further in, the border that the shift mirrors in is part of the picture
        assert found["motion_error"] < 0.3, "it moves as the render does"


def test_a_clip_that_runs_ahead_by_a_pixel_a_frame_has_that_error_of_motion(moving):
    found = values(clips.measured(moving, lambda index, picture: shifted(picture, 1.0 * index)))
    assert found["motion_error"] == pytest.approx(1.0, abs=0.1)


def test_the_warp_error_of_a_jittering_clip_is_that_of_the_pictures(still):
    """Every other frame is shifted by one pixel, so that each pair differs by it."""
    found = values(clips.measured(still, lambda index, picture: shifted(picture, index % 2)))
    photo = still[0].colour
    expected = np.abs(photo.astype(int) - shifted(photo, 1)).mean()
    assert found["warp_error"] == pytest.approx(expected, rel=0.02)


def test_a_step_of_colour_at_a_keyframe_is_a_seam_of_that_height(moving):
    found = clips.measured(moving, lambda index, picture: np.minimum(picture, 250) + (5 if index >= clips.SEAM else 0))
    assert found.measured["seam_jump"].value == pytest.approx(6.0, abs=0.25)
    assert found.measured["seam_jump"].worst_frame == clips.SEAM


def test_three_percent_of_colour_drift_at_a_keyframe_are_seen_as_such(still):
    found = values(
        clips.measured(
            still, lambda index, picture: np.rint(picture * (0.97 if index >= clips.SEAM else 1)).astype(np.uint8)
        )
    )
    photo = still[0].colour.astype(float)
    step = np.abs(np.rint(photo * 0.97) - photo).mean()
    assert found["seam_jump"] == pytest.approx(1 + step, rel=0.01)
    assert found["psnr_to_render"] < 50


def test_a_swapped_keyframe_is_a_seam_of_the_change_that_it_brings(still):
    """The keyframe is replaced by a mirrored one; all else equals the render."""
    found = values(clips.measured(still, lambda index, picture: picture[:, ::-1] if index == clips.SEAM else picture))
    photo = still[0].colour.astype(int)
    step = np.abs(photo - photo[:, ::-1]).mean()
    assert found["seam_jump"] == pytest.approx(1 + step, rel=0.01)


def test_a_frame_that_is_dropped_shows_in_motion_and_place(moving):
    """From frame 3 on the clip shows the frame after."""
    frames = [frame.colour for frame in moving]
    found = clips.measured(moving, lambda index, _: frames[min(index + (index >= 3), len(frames) - 1)])
    by_frame = found.measured["motion_error"].frames
    assert by_frame[2] == pytest.approx(np.hypot(3.25, 0.5), abs=0.1)  # one frame's way too far
    assert max(by_frame[3:6]) < 0.2
    assert found.measured["displacement"].value > 1.5
    assert found.measured["silhouette_iou[square]"].value < 0.97


def test_flicker_is_the_deviation_of_the_noise(still):
    random = np.random.default_rng(3)

    def noisy(_, picture):
        calm = np.clip(picture, 40, 215)
        return np.rint(calm + random.normal(0, 4, picture.shape)).astype(np.uint8)

    # Of the difference from the render; clipping it the same way everywhere changes nothing over time.
    assert values(clips.measured(still, noisy))["flicker"] == pytest.approx(4.0, rel=0.03)


def test_a_clip_in_which_all_moves_says_that_nothing_stands_still(moving):
    metrics = clips.measured(clips.drawn(zoom=1.02))
    assert metrics.missing["flicker"] == "nothing in the clip stands still"


def test_a_clip_of_one_frame_has_no_values_between_frames(still):
    metrics = clips.joined(clips.measured_values(still[:1], [still[0].colour]))
    assert {"motion_error", "warp_error", "seam_jump", "flicker"} <= metrics.missing.keys()
    assert metrics.measured["ssim_to_render"].value == 1.0


def test_holes_of_the_render_do_not_count_against_what_fills_them():
    frames = clips.drawn(end_px=260.0)
    filled = clips.measured(frames, lambda index, picture: np.where(picture.any(axis=2)[..., None], picture, 200))
    assert any((frame.passes.ids == 0).any() for frame in frames)
    found = values(filled)
    assert found["psnr_to_render"] == 100.0
    assert found["ssim_to_render"] > 0.99
    assert found["unobserved_share"] > 0.02


def test_a_jump_beside_no_other_pair_is_left_out():
    assert seam_jumps([None, None, 3.0, None], (2,)) == {}
    assert seam_jumps([1.0, 1.0, 5.0, 5.0, 1.0, 1.0, None], (3,)) == {3: 3.0}
    assert seam_jumps([0.0, 0.0, 0.0], (0, 2)) == {}
