"""A textured thing moves through a textured scene: what must fail a comparison with its baseline, and what must not."""

import dataclasses

import cv2
import numpy as np
import pytest

from i2v3d.metrics.compare_clips import compare_clips
from i2v3d.metrics.fingerprint import ClipPrint, FramePrint, geometry_print, make_thumbnail, mean_colours
from i2v3d.metrics.thumbnails import decode_thumbnail, encode_thumbnail

WIDTH, HEIGHT, COUNT = 512, 288, 12
NAMES = {1: "Background", 2: "disc", 3: "box"}


def textured(seed, size):
    chance = np.random.default_rng(seed)
    noise = [cv2.resize(chance.uniform(0, 255, (n, n, 3)), size, interpolation=cv2.INTER_CUBIC) for n in (6, 24, 80)]
    return np.clip(0.4 * noise[0] + 0.35 * noise[1] + 0.25 * noise[2], 0, 255).astype(np.float32)


BACKGROUND, SURFACE = textured(1, (WIDTH + 64, HEIGHT)), textured(2, (WIDTH, HEIGHT))


def moved(plane, x, y=0.0):
    matrix = np.float32([[1, 0, x], [0, 1, y]])
    return cv2.warpAffine(plane, matrix, plane.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def ids_of(frame):
    ids = np.ones((HEIGHT, WIDTH), np.uint8)
    cv2.circle(ids, (round(150 + 5 * frame), 140), 60, 2, -1)
    cv2.rectangle(ids, (400, 60), (470, 160), 3, -1)
    return ids


def picture(frame, disc_shift=0.0):
    scene = moved(BACKGROUND, -1.5 * frame)[:, :WIDTH]
    surface = moved(SURFACE, 5 * frame + disc_shift)
    mask = moved((ids_of(frame) == 2).astype(np.float32), disc_shift)[..., None]
    box = (ids_of(frame) == 3)[..., None]
    scene = np.where(box, 255 - SURFACE, scene)
    return np.clip(np.rint(surface * mask + scene * (1 - mask)), 0, 255).astype(np.uint8)


PICTURES = [picture(frame) for frame in range(COUNT)]
IDS = [ids_of(frame) for frame in range(COUNT)]
DEPTH = [np.choose(ids, [np.inf, 20.0, 5.0, 9.0]).astype(np.float32) for ids in IDS]


def clip(pictures=PICTURES, ids=IDS, depth=DEPTH, names=NAMES):
    frames = []
    for index, pixels in enumerate(pictures):
        small = decode_thumbnail(encode_thumbnail(make_thumbnail(pixels), 60))
        geometry = geometry_print(ids[index], depth[index], names) if ids is not None else None
        frames.append(FramePrint(small, mean_colours(pixels), geometry))
    return ClipPrint(WIDTH, HEIGHT, 24.0, tuple(frames), names if ids is not None else {})


BASELINE = clip()


def failures(after, before=BASELINE):
    return {one.name: one for one in compare_clips(before, after).comparisons if one.is_failure}


def test_a_clip_that_equals_its_baseline_is_off_by_nothing():
    assert [one.name for one in compare_clips(BASELINE, clip()).comparisons if one.value > 0] == []


def test_noise_of_one_level_passes():
    chance = np.random.default_rng(3)
    noisy = [np.clip(one.astype(int) + chance.integers(-1, 2, one.shape), 0, 255).astype(np.uint8) for one in PICTURES]
    assert failures(clip(noisy)) == {}


@pytest.mark.parametrize(("x", "y"), [(1.0, 0.0), (-0.7, 0.7)])
def test_two_pixels_at_1024_of_everything_fail_as_one_shift(x, y):
    found = failures(clip([moved(one, x, y) for one in PICTURES]))
    assert set(found) & {"shift", "shift[disc]", "shift[Background]", "time"} == {"shift"}
    assert found["shift"].value == pytest.approx(np.hypot(x, y), abs=0.15)
    assert found["shift"].detail["x"] == pytest.approx(x, abs=0.15)
    assert found["shift"].detail["y"] == pytest.approx(y, abs=0.15)
    assert found["shift"].excess > 2


def test_two_pixels_at_1024_of_one_object_fail_with_its_name():
    found = failures(clip([picture(frame, disc_shift=1.0) for frame in range(COUNT)]))
    assert found["shift[disc]"].value == pytest.approx(1.0, abs=0.2)
    assert not {"shift", "time", "shift[box]"} & set(found)


@pytest.mark.parametrize(("channel", "factor"), [(0, 1.03), (1, 0.97), (2, 1.03)])
def test_a_drift_of_three_percent_of_one_colour_fails(channel, factor):
    gains = np.ones(3)
    gains[channel] = factor
    found = failures(clip([np.clip(np.rint(one * gains), 0, 255).astype(np.uint8) for one in PICTURES]))
    assert set(found) == {"colour"}
    assert found["colour"].value == pytest.approx(3.0, abs=0.4)


def test_a_drift_that_grows_is_worst_at_its_end():
    drifting = [
        np.clip(np.rint(one * (1 + 0.03 * i / (COUNT - 1))), 0, 255).astype(np.uint8) for i, one in enumerate(PICTURES)
    ]
    assert failures(clip(drifting))["colour"].frame >= COUNT - 3


def test_a_dropped_frame_is_named():
    after = clip([one for index, one in enumerate(PICTURES) if index != 7], IDS[:7] + IDS[8:], DEPTH[:7] + DEPTH[8:])
    found = failures(after)
    assert set(found) == {"format[frames]", "time"}
    assert found["time"].frame == 7
    assert found["time"].detail == {"kind": "dropped", "shown": 8, "count": 1, "jumps": 1}


def test_a_dropped_frame_whose_place_the_last_one_fills_is_named():
    found = failures(clip([*PICTURES[:7], *PICTURES[8:], PICTURES[-1]]))
    assert found["time"].frame == 7
    assert found["time"].detail["kind"] == "dropped"


def test_a_doubled_frame_is_named_and_nothing_else_is_blamed():
    found = failures(clip([*PICTURES[:5], PICTURES[4], *PICTURES[6:]]))
    assert set(found) == {"time"}
    assert (found["time"].frame, found["time"].detail["kind"]) == (5, "doubled")


def test_exchanged_frames_are_named():
    found = failures(clip([*PICTURES[:9], PICTURES[10], PICTURES[9], *PICTURES[11:]]))
    assert set(found) == {"time"}
    assert (found["time"].frame, found["time"].detail["kind"]) == (9, "exchanged")


def test_exchanged_masks_fail_although_the_pictures_are_the_same():
    swapped = [np.choose(ids, [0, 1, 3, 2]).astype(np.uint8) for ids in IDS]
    found = failures(clip(ids=swapped))
    assert {"place[disc]", "place[box]", "outline[disc]", "size[box]"} <= set(found)
    assert not {"colour", "shift", "detail", "time"} & set(found)


def test_a_mask_that_is_the_other_way_round_fails():
    found = failures(clip(ids=[np.where(ids == 2, 1, 2).astype(np.uint8) for ids in IDS]))
    assert "outline[disc]" in found
    assert found["outline[disc]"].excess > 20


def test_an_object_that_is_gone_in_the_passes_fails():
    found = failures(clip(ids=[np.where(ids == 3, 1, ids).astype(np.uint8) for ids in IDS]))
    assert found["presence[box]"].detail["was"] == "there"


def test_an_outline_that_differs_by_a_pixel_passes():
    square = np.ones((3, 3), np.uint8)
    thinner = [
        np.where(cv2.erode((ids == 2).astype(np.uint8), square) > 0, 2, np.where(ids == 2, 1, ids)) for ids in IDS
    ]
    found = failures(clip(ids=[one.astype(np.uint8) for one in thinner]))
    assert not {"outline[disc]", "place[disc]"} & set(found)


def test_an_object_in_another_colour_fails_with_its_name():
    painted = [np.where((ids == 2)[..., None], one[..., ::-1], one) for one, ids in zip(PICTURES, IDS, strict=True)]
    found = failures(clip(painted))
    assert "colour[disc]" in found or "detail" in found
    assert not {"shift[box]", "colour[box]"} & set(found)


def test_a_tinted_object_fails_with_its_name():
    tint = np.array([1.12, 1.0, 0.9])
    painted = [
        np.where((ids == 2)[..., None], np.clip(one * tint, 0, 255), one).astype(np.uint8)
        for one, ids in zip(PICTURES, IDS, strict=True)
    ]
    found = failures(clip(painted))
    assert "colour[disc]" in found
    assert "colour[box]" not in found


def test_everything_a_little_further_away_fails():
    found = failures(clip(depth=[1.03 * one for one in DEPTH]))
    assert {"depth", "distance[disc]"} <= set(found)


def test_pictures_alone_are_compared_without_the_passes():
    comparison = compare_clips(BASELINE, clip(ids=None))
    assert not any(one.is_failure for one in comparison.comparisons)
    assert not {"place", "outline", "depth"} & {one.aspect for one in comparison.comparisons}


def test_another_size_fails_and_stops_there():
    small = dataclasses.replace(
        BASELINE,
        frames=tuple(dataclasses.replace(one, thumbnail=one.thumbnail[:, :100]) for one in BASELINE.frames),
        width=200,
    )
    assert set(failures(small)) == {"format[size]"}
