"""Known drift is put on a clip, and taken out again."""

import numpy as np
import pytest

from i2v3d.backends.colour_drift import without_colour_drift
from tests.moving_clip import MovingClip

COUNT = 9


@pytest.fixture(scope="module")
def clip():
    frames = [MovingClip(steps=COUNT - 1).frame(index) for index in range(COUNT)]
    # Away from black and white, so that no drift is lost by clipping.
    pictures = [np.rint(frame.colour * 0.7 + 40).astype(np.uint8) for frame in frames]
    return pictures, [frame.ids > 1 for frame in frames]


def drifted(clip, drift):
    """The clip with `drift(share, is_foreground)` added to each frame."""
    pictures, masks = clip
    shares = np.linspace(0, 1, COUNT)
    added = (picture + drift(*pair) for picture, *pair in zip(pictures, shares, masks, strict=True))
    return [np.rint(picture).clip(0, 255).astype(np.uint8) for picture in added]


def corrected(clip, frames):
    pictures, masks = clip
    return without_colour_drift(frames, first=pictures[0], last=pictures[-1], is_foreground=masks)


def error(clip, frames):
    """Mean absolute error by frame."""
    return np.array([np.abs(a.astype(float) - b).mean() for a, b in zip(frames, clip[0], strict=True)])


def across(is_foreground):
    """-1 at the left to 1 at the right."""
    return np.linspace(-1, 1, is_foreground.shape[1])[None, :, None]


KNOWN = {
    "a tint": lambda share, mask: np.array([6.0, -4.0, 3.0]),
    "a tint that grows": lambda share, mask: share * np.array([8.0, -6.0, 4.0]),
    "a tint that turns": lambda share, mask: (1 - 2 * share) * np.array([5.0, 5.0, -5.0]),
    "a tint from left to right": lambda share, mask: across(mask) * np.array([6.0, 0.0, -6.0]),
    "a tint of the object": lambda share, mask: mask[..., None] * np.array([12.0, -8.0, 0.0]),
}


@pytest.mark.parametrize("drift", KNOWN)
def test_known_drift_is_taken_out_of_every_frame(drift, clip):
    frames = drifted(clip, KNOWN[drift])
    before, after = error(clip, frames), error(clip, corrected(clip, frames))
    assert before.max() > 0.25
    # Rounding to whole levels twice leaves about a third of a level.
    assert after.max() < 0.7 and after.mean() < before.mean() / 2 + 0.1, (before, after)


def test_a_clip_without_drift_is_left_alone(clip):
    assert all(np.array_equal(*pair) for pair in zip(corrected(clip, clip[0]), clip[0], strict=True))


def test_the_tint_of_an_object_does_not_reach_its_surroundings(clip):
    frames = drifted(clip, KNOWN["a tint of the object"])
    for picture, truth, is_object in zip(corrected(clip, frames), *clip, strict=True):
        outside = np.abs(picture.astype(float) - truth)[~is_object]
        assert outside.max() <= 1


def test_detail_stays_the_models_own(clip):
    texture = np.random.default_rng(0).normal(0, 8, clip[0][0].shape)
    frames = [np.rint(picture + texture).clip(0, 255).astype(np.uint8) for picture in clip[0]]
    changed = np.abs(np.stack(corrected(clip, frames)).astype(float) - np.stack(frames)).mean()
    assert changed < 1, "fine texture is no drift"


def test_two_intervals_meet_in_the_keyframe_between_them(clip):
    pictures, masks = clip
    one = drifted(clip, KNOWN["a tint"])[:5]
    other = drifted(clip, KNOWN["a tint from left to right"])[4:]
    first = without_colour_drift(one, first=pictures[0], last=pictures[4], is_foreground=masks[:5])
    second = without_colour_drift(other, first=pictures[4], last=pictures[8], is_foreground=masks[4:])
    jump = np.abs(first[-1].astype(float) - second[0]).mean()
    assert jump < 0.7 < np.abs(one[-1].astype(float) - other[0]).mean()
