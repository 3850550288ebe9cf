"""Depth of field: what is in focus stays as it is, the rest blurs as Cycles blurs it, passes know nothing of it."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from i2v3d.artifacts.scene import FrameState
from i2v3d.backends.embedded.lens import Lens
from i2v3d.backends.embedded.render_cycles import CyclesRenderer
from i2v3d.backends.embedded.render_gl import GlRenderer
from i2v3d.backends.embedded.scene_cache import Neighbours
from i2v3d.spec.resolved_physics import DepthOfField, FocusKey
from tests import hand_made_scene as hand

APERTURE_M = 0.5


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Returns a function: renderer and focus distance (None for a pinhole) -> the still scene through that lens."""
    folder = tmp_path_factory.mktemp("lens")
    cache = hand.cached(folder, hand.scene(1, has_copy=False, is_still=True))

    def draw(renderer, focus_m):
        state = cache.states.item(0).read_arrays()
        if focus_m is not None:
            state["depth_of_field"] = np.array([focus_m, APERTURE_M])
        file = FrameState(folder / f"{focus_m}.npz")
        file.write_arrays(state)
        return renderer.render(cache.static.path, (file.path,), 0, hand.SIZE)

    return draw


def test_what_is_in_focus_keeps_its_pixels_and_the_rest_is_blurred(drawn):
    renderer = GlRenderer()
    sharp, blurred = drawn(renderer, None), drawn(renderer, hand.CARD_DEPTH_M)
    card = binary_erosion(sharp.passes.ids == 2, iterations=3)
    assert card.sum() > 1000
    difference = np.abs(blurred.colour[card].astype(int) - sharp.colour[card])
    assert difference.max() <= 1
    assert difference.mean() <= 0.01
    wall = binary_erosion(sharp.passes.depth_m > hand.WALL_M - 0.1, iterations=12)
    assert blurred.colour[wall].std() < 0.6 * sharp.colour[wall].std()


def test_the_passes_are_those_of_a_pinhole(drawn):
    renderer = GlRenderer()
    sharp, blurred = drawn(renderer, None), drawn(renderer, hand.WALL_M)
    for name, value in vars(sharp.passes).items():
        assert np.array_equal(value, getattr(blurred.passes, name)), name


def test_a_frame_is_the_same_every_time(drawn):
    first, second = (drawn(GlRenderer(), 5.0).colour for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.blender
@pytest.mark.slow
@pytest.mark.parametrize("focus_m", [hand.CARD_DEPTH_M, hand.WALL_M])
def test_opengl_blurs_as_cycles_does(drawn, focus_m):
    gl, cycles = drawn(GlRenderer(), focus_m), drawn(CyclesRenderer(), focus_m)
    difference = np.abs(gl.colour.astype(int) - cycles.colour)
    ids = gl.passes.ids
    is_edge = binary_dilation(ids != np.roll(ids, 1, 0), iterations=4) | binary_dilation(
        ids != np.roll(ids, 1, 1), iterations=4
    )
    assert difference[~is_edge].mean() <= 1.0, f"{difference[~is_edge].mean():.3f} levels"
    assert difference.mean() <= 1.2, f"{difference.mean():.3f} levels"
    sharp = drawn(GlRenderer(), None).colour.astype(int)
    assert np.abs(gl.colour - sharp).mean() > 8, "it is another picture than the pinhole's"


def test_a_point_blurs_to_a_disc_of_the_diameter_that_optics_gives(tmp_path):
    lens = Lens(focus_m=4.0, aperture_m=0.1)
    cache = hand.cached(tmp_path, hand.scene(1))
    moments = Neighbours.read((cache.states.item_path(0),), 0)
    places = []
    for point in lens.points(30.0):
        here = lens.seen_from(moments, point).here
        camera = here.camera_from_world @ np.linalg.inv(moments.here.camera_from_world)
        seen = []
        for depth in (4.0, 2.0, 40.0):
            image = here.image_from_camera @ (camera @ np.array([0.3, 0.2, depth, 1.0]))[:3]
            seen.append(image[:2] / image[2])
        places.append(seen)
    spread = np.ptp(np.array(places), axis=0).max(axis=1)
    focal = moments.here.image_from_camera[0, 0]
    assert spread[0] < 1e-9
    expected = lens.circles_px(np.array([2.0, 40.0]), focal)
    np.testing.assert_allclose(expected, [0.1 * focal / 4, 0.1 * focal * (1 / 4 - 1 / 40)], rtol=1e-12)
    np.testing.assert_allclose(spread[1:], expected, rtol=0.04)


@pytest.mark.blender
def test_a_focus_is_pulled_from_a_thing_to_a_distance_in_the_blend_and_the_cache(tmp_path):
    focus = (FocusKey(0.0, "card", "linear"), FocusKey(4.0, 14.0, "linear"))
    made = dataclasses.replace(hand.scene(6, is_still=True), depth_of_field=DepthOfField(0.02, focus))
    states = [state.read_arrays()["depth_of_field"] for state in hand.assembled(tmp_path, made).states]
    far, wide = np.array(states).T
    np.testing.assert_allclose(wide, 0.02, rtol=1e-5)
    assert far[0] == pytest.approx(hand.CARD_DEPTH_M, rel=0.02)
    assert far[4] == far[5] == pytest.approx(14.0, rel=1e-5)
    assert far[2] == pytest.approx(2 / (1 / far[0] + 1 / 14), rel=1e-4)
