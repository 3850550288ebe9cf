"""Both renderers hold one contract, and OpenGL agrees with Cycles, the reference."""

import json

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from i2v3d.backends.embedded import render_gl
from i2v3d.backends.embedded.render_cycles import CyclesRenderer
from i2v3d.backends.embedded.render_gl import GlRenderer, check_drawn
from i2v3d.errors import BlenderError, MissingBackendError
from i2v3d.execute.step import _TRANSIENT
from tests import hand_made_scene as hand

RENDERERS = [
    pytest.param(GlRenderer, id="gl"),
    pytest.param(CyclesRenderer, id="cycles", marks=pytest.mark.blender),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return hand.cached(tmp_path_factory.mktemp("cache"), hand.scene(5))


def states(cache: hand.Cache, *frames: int):
    return tuple(cache.states.item_path(frame) for frame in frames)


@pytest.mark.parametrize("kind", RENDERERS)
def test_a_frame_has_the_promised_shapes_types_and_ranges(kind, cache):
    frame = kind().render(cache.static.path, states(cache, 1, 2, 3), 1, hand.SIZE)
    shape, passes = hand.SIZE.shape, frame.passes
    assert (frame.colour.dtype, frame.colour.shape) == (np.uint8, (*shape, 3))
    assert (passes.depth_m.dtype, passes.depth_m.shape) == (np.float32, shape)
    assert (passes.ids.dtype, passes.ids.shape) == (np.uint8, shape)
    assert (passes.is_observed.dtype, passes.is_observed.shape) == (np.bool_, shape)
    for flow in (passes.flow_forward_px, passes.flow_backward_px):
        assert (flow.dtype, flow.shape) == (np.float32, (*shape, 2))
        assert np.isfinite(flow).all()
    assert set(np.unique(passes.ids)) == {1, 2, 3}
    assert passes.depth_m.min() > 1


@pytest.mark.parametrize("kind", RENDERERS)
def test_a_frame_is_the_same_after_any_other(kind, cache):
    renderer = kind()
    first = renderer.render(cache.static.path, states(cache, 1, 2, 3), 1, hand.SIZE)
    renderer.render(cache.static.path, states(cache, 3, 4), 1, hand.SIZE)
    again = renderer.render(cache.static.path, states(cache, 1, 2, 3), 1, hand.SIZE)
    assert np.array_equal(first.colour, again.colour)
    for name, value in vars(first.passes).items():
        assert np.array_equal(value, getattr(again.passes, name)), name


@pytest.mark.parametrize("kind", RENDERERS)
def test_an_unmoved_view_is_the_photo_but_for_its_soft_edges(kind, tmp_path):
    made = hand.scene(1, has_copy=False, is_still=True)
    still = hand.cached(tmp_path, made)
    frame = kind().render(still.static.path, states(still, 0), 0, hand.SIZE)
    difference = np.abs(frame.colour.astype(int) - hand.photo()[hand.TOP :])
    alpha = hand.card_picture()[hand.TOP :, :, 3]
    assert difference[(alpha == 0) | (alpha == 255)].max() <= 1
    assert difference.mean() <= 0.1


@pytest.mark.blender
@pytest.mark.parametrize("current", [0, 1, 2])
def test_opengl_agrees_with_cycles(cache, current):
    gl, cycles = (
        kind().render(cache.static.path, states(cache, 1, 2, 3), current, hand.SIZE)
        for kind in (GlRenderer, CyclesRenderer)
    )
    is_same = gl.passes.ids == cycles.passes.ids
    # Of 36,864 pixels a few lie within rounding of an edge; larger pictures have a smaller share of them.
    assert (~is_same).sum() <= 8
    assert (gl.passes.is_observed != cycles.passes.is_observed).sum() <= 8
    depth = np.abs(gl.passes.depth_m - cycles.passes.depth_m)[is_same] / cycles.passes.depth_m[is_same]
    assert np.quantile(depth, 0.999) <= 1e-4, f"depth {np.quantile(depth, 0.999):.1e}"
    for name in ("flow_forward_px", "flow_backward_px"):
        error = np.abs(getattr(gl.passes, name) - getattr(cycles.passes, name))[is_same]
        assert np.quantile(error, 0.999) <= 0.01, f"{name} {np.quantile(error, 0.999):.4f} px"
    ids = gl.passes.ids.astype(int)
    is_edge = binary_dilation((np.roll(ids, 1, 0) != ids) | (np.roll(ids, 1, 1) != ids), iterations=4)
    difference = np.abs(gl.colour.astype(int) - cycles.colour)
    assert difference[~is_edge].mean() <= 0.5, f"colour {difference[~is_edge].mean():.3f}"


def test_without_a_driver_the_error_names_the_packages_and_the_other_backend(monkeypatch):
    monkeypatch.setenv("__EGL_VENDOR_LIBRARY_FILENAMES", "/dev/null")
    with pytest.raises(MissingBackendError) as caught:
        render_gl._probe_egl.__wrapped__()
    assert "libegl1 libgl1-mesa-dri" in caught.value.hint
    assert "`cycles`" in caught.value.hint


@pytest.mark.blender
def test_a_scene_cache_that_is_broken_is_a_blender_error_and_the_next_call_works(cache, tmp_path):
    renderer = CyclesRenderer()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "scene.json").write_text(json.dumps({"objects": [{"name": "x", "id": 1, "mesh": "meshes/1"}]}))
    with pytest.raises(BlenderError, match=r"geometry\.npz"):
        renderer.render(broken, states(cache, 0), 0, hand.SIZE)
    assert renderer.render(cache.static.path, states(cache, 0), 0, hand.SIZE).passes.ids.max() == 3


def test_a_frame_that_was_not_drawn_is_an_error_that_the_engine_tries_again():
    depth_m = np.array([[1.0, np.inf]], np.float32)
    for gl_error in ("GL_NO_ERROR", "GL_INVALID_OPERATION"):
        check_drawn(gl_error, depth_m)
    for gl_error, depths in (("GL_OUT_OF_MEMORY", depth_m), ("GL_NO_ERROR", np.array([[np.nan, 1.0]], np.float32))):
        with pytest.raises(OSError, match="OpenGL") as caught:
            check_drawn(gl_error, depths)
        assert caught.value.errno in _TRANSIENT
