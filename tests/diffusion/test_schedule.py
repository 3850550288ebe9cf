"""What is injected at a step follows the published lengths, the masks and the strength."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")

from i2v3d.diffusion.schedule import KeyframeSchedule, VideoSchedule

# One row of pixels: foreground seen, foreground unseen, background seen, background unseen.
FOREGROUND = torch.tensor([[[True, True, False, False]]])
VISIBLE = torch.tensor([[[True, False, True, False]]])
VISIBLE_BACKGROUND = torch.tensor([[[False, False, True, False]]])


def masks(schedule, **changes):
    guide = {"is_foreground": FOREGROUND, "is_visible": VISIBLE} | changes
    return [schedule.masks_at(step, **guide) for step in range(schedule.steps)]


def is_set(mask):
    return None if mask is None else mask.is_set.flatten().int().tolist()


def test_attention_goes_from_the_visible_to_the_foreground_and_convolution_ends():
    steps = masks(KeyframeSchedule(10, 0.6, 1.0, 0.8))
    # Up to and with the background's length, as published.
    assert [is_set(step.attention) for step in steps] == [[1, 0, 1, 0]] * 9 + [[1, 1, 0, 0]]
    assert [is_set(step.convolution) for step in steps] == [[1, 1, 0, 0]] * 6 + [None] * 4


def test_a_background_that_is_guided_longer_keeps_the_background():
    steps = masks(KeyframeSchedule(10, 0.0, 0.2, 0.6))
    assert [is_set(step.attention) for step in steps] == [[1, 0, 1, 0]] * 3 + [[0, 0, 1, 0]] * 3 + [None] * 4
    assert torch.equal(steps[4].attention.is_set, VISIBLE_BACKGROUND)


def test_no_share_injects_nothing_and_a_step_says_so():
    steps = masks(KeyframeSchedule(10, 0.0, 0.0, 0.0))
    assert not any(step.kinds for step in steps)
    assert masks(KeyframeSchedule(10, 0.1, 0.0, 0.0))[0].kinds == {"convolution"}


@pytest.mark.parametrize("share", [0.34, 0.17, 0.6, 0.8, 0.7])
def test_strength_one_gives_the_lengths_of_the_published_schedule(share):
    schedule = KeyframeSchedule(50, share, 1.0, share)
    plain, scaled = masks(schedule), masks(schedule, strength=torch.ones(VISIBLE.shape))
    for one, other in zip(plain, scaled, strict=True):
        assert is_set(one.attention) == is_set(other.attention)
        assert is_set(one.convolution) == is_set(other.convolution)


def test_strength_shortens_the_injection_where_it_is_less():
    strength = torch.tensor([[[1.0, 0.5, 0.25, 0.0]]])
    everything = torch.ones_like(VISIBLE)
    schedule = VideoSchedule(8, convolution_until=0.5, attention_until=1.0)
    steps = [schedule.masks_at(step, is_visible=everything, strength=strength) for step in range(8)]
    lengths = torch.stack([step.attention.is_set.flatten() for step in steps]).sum(0)
    assert lengths.tolist() == [8, 4, 2, 0]
    assert is_set(steps[1].convolution) == [1, 1, 0, 0]
    assert is_set(steps[4].convolution) is None


def test_video_attention_is_where_visible_and_convolution_everywhere():
    step = VideoSchedule(4, 1.0, 0.5).masks_at(0, is_visible=VISIBLE)
    assert is_set(step.attention) == [1, 0, 1, 0]
    assert step.convolution.is_everywhere
    assert VideoSchedule(4, 1.0, 0.5).masks_at(2, is_visible=VISIBLE).attention is None
