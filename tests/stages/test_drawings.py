"""The stages that draw for the report: every pixel where it belongs, the same bytes for the same input, small files."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image as Pillow

from i2v3d.artifacts.drawings import drawn_size
from i2v3d.artifacts.images import CutOut, Frames, Image
from i2v3d.artifacts.passes import Passes
from i2v3d.artifacts.scene import FramePasses, Glb
from i2v3d.errors import StageError
from i2v3d.geometry.pass_colours import OBJECT_COLOURS, UNOBSERVED
from i2v3d.geometry.resolution import Resolution
from i2v3d.stages import draw_passes, draw_photo, draw_result, draw_scene, drawing_scale
from tests import hand_made_scene as hand
from tests.work_folder import WorkFolder

SIZE = Resolution(64, 36)


def work(folder, stage):
    folder.mkdir(parents=True, exist_ok=True)
    return WorkFolder(folder, stage.Outputs)


def passes_of(ids, is_observed, depth_m=4.0, flow_px=(2.0, 0.0)):
    shape = ids.shape
    flow = np.broadcast_to(np.array(flow_px, np.float32), (*shape, 2)).copy()
    depth = np.full(shape, depth_m, np.float32)
    return FramePasses(depth, ids.astype(np.uint8), is_observed, flow, -flow, True, True)


@pytest.fixture
def frame(tmp_path):
    """A frame of 128x72: object 3 in the left half, the upper half unseen, the colour a slope."""
    height, width = 72, 128
    rows, columns = np.mgrid[:height, :width]
    colour = np.stack([columns * 2, rows * 3, np.full((height, width), 90)], axis=2).astype(np.uint8)
    picture, passes = Image(tmp_path / "colour.png"), Passes(tmp_path / "passes.npz")
    picture.write(colour)
    passes.write(passes_of(np.where(columns < width // 2, 3, 1), rows >= height // 2))
    scale = drawing_scale.DrawingScale(tmp_path / "scale.json")
    scale.write_json({"near_m": 2.0, "far_m": None, "flow_px": 2.0})
    return colour, picture, passes, scale


def drawn(folder, frame, count=2):
    _, picture, passes, scale = frame
    inputs = draw_passes.Inputs((picture,) * count, (passes,) * count, scale)
    return draw_passes.run(inputs, draw_passes.Params(SIZE), None, work(folder, draw_passes))


def read(file):
    with Pillow.open(file.path) as picture:
        return np.asarray(picture.convert("RGBA")).astype(int)


def test_every_layer_has_every_frame_at_the_size_that_is_asked_for(tmp_path, frame):
    outputs = drawn(tmp_path / "work", frame)
    for layer in (outputs.render, outputs.depth, outputs.flow, outputs.objects, outputs.unobserved):
        assert len(layer) == 2
        layer.check()
        assert read(layer.item(1)).shape == (36, 64, 4)
    assert outputs.facts.read_json() == [{"unobserved": 0.5}] * 2


def test_objects_are_marked_where_they_are_and_the_rest_is_clear(tmp_path, frame):
    objects = read(drawn(tmp_path / "work", frame).objects.item(0))
    assert (objects[:, :32] == [*OBJECT_COLOURS[1], 255]).all()
    assert (objects[:, 32:, 3] == 0).all()


def test_what_the_photo_did_not_show_is_marked(tmp_path, frame):
    unobserved = read(drawn(tmp_path / "work", frame).unobserved.item(0))
    assert (unobserved[:18] == [*UNOBSERVED, 255]).all()
    assert (unobserved[18:, :, 3] == 0).all()


def test_the_render_is_the_render_but_smaller(tmp_path, frame):
    render = read(drawn(tmp_path / "work", frame).render.item(0))[..., :3]
    small = np.asarray(Pillow.fromarray(frame[0]).resize((64, 36), Pillow.Resampling.LANCZOS)).astype(int)
    assert np.abs(render - small).mean() < 3


def test_equal_frames_give_equal_bytes(tmp_path, frame):
    first, second = (drawn(tmp_path / name, frame) for name in ("a", "b"))
    for layer in ("render", "depth", "flow", "objects", "unobserved"):
        assert getattr(first, layer).item(1).path.read_bytes() == getattr(second, layer).item(1).path.read_bytes()


def test_finished_frames_come_from_a_clip_or_are_a_single_picture(tmp_path, frame):
    clip = Frames(tmp_path / "clip")
    clip.path.mkdir()
    for index in range(3):
        clip.item(index).write(np.full((72, 128, 3), 60 * index, np.uint8))
    params = draw_result.Params(SIZE)
    many = draw_result.run(draw_result.Inputs(clip, None), params, None, work(tmp_path / "many", draw_result)).result
    assert [round(read(item)[..., :3].mean()) for item in many] == pytest.approx([0, 60, 120], abs=2)
    one = draw_result.run(draw_result.Inputs(None, frame[1]), params, None, work(tmp_path / "one", draw_result)).result
    assert len(one) == 1


@pytest.mark.parametrize(
    ("size", "count", "wide"),
    [((1024, 576), 61, 640), ((1024, 576), 200, 384), ((1024, 576), 5000, 224), ((320, 180), 10, 320)],
)
def test_longer_clips_are_drawn_smaller_and_nothing_larger_than_it_is(size, count, wide):
    found = drawn_size(Resolution(*size), count)
    assert (found.width, found.height) == (wide, round(wide * 9 / 16))


def test_an_upright_clip_has_as_many_pixels_as_a_wide_one():
    upright, wide = drawn_size(Resolution(576, 1024), 61), drawn_size(Resolution(1024, 576), 61)
    assert (upright.width, upright.height) == (wide.height, wide.width)


def test_the_photo_is_drawn_with_its_objects_cut_out_tightly(tmp_path):
    photo, filled, cutout = Image(tmp_path / "p.png"), Image(tmp_path / "f.png"), CutOut(tmp_path / "c.png")
    photo.write(np.full((100, 200, 3), 200, np.uint8))
    filled.write(np.full((100, 200, 3), 30, np.uint8))
    pixels = np.zeros((100, 200, 4), np.uint8)
    pixels[40:80, 100:120] = (255, 0, 0, 255)
    cutout.write(pixels)
    inputs = draw_photo.Inputs(photo, (cutout,), filled)
    folder = draw_photo.run(inputs, draw_photo.Params(("cup",)), None, work(tmp_path / "w", draw_photo)).pictures.path
    assert sorted(file.name for file in folder.iterdir()) == [
        "alpha_0.webp",
        "cutout_0.webp",
        "filled.webp",
        "objects.json",
        "photo.webp",
    ]
    (entry,) = json.loads((folder / "objects.json").read_text())
    assert (entry["name"], entry["share"]) == ("cup", pytest.approx(0.04))
    left, top, width, height = entry["crop"]
    assert left <= 99 and top <= 39 and left + width >= 121 and top + height >= 81
    assert width < 32 and height < 52


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return hand.cached(tmp_path_factory.mktemp("cache") / "cache", hand.scene(5))


def test_the_scale_covers_what_is_seen_and_little_more(tmp_path, cache):
    inputs = drawing_scale.Inputs(cache.static, cache.states)
    outputs = drawing_scale.run(inputs, drawing_scale.Params(hand.SIZE), None, work(tmp_path, drawing_scale))
    near_m, far_m, flow_px = outputs.scale.read()
    assert 0.5 < near_m <= hand.CARD_DEPTH_M
    assert hand.WALL_M * 0.9 <= far_m < hand.WALL_M * 2
    assert 0 < flow_px < 64


# ---- the light copy of the scene ----


def picture(mode, size, colour):
    out = io.BytesIO()
    Pillow.new(mode, size, colour).save(out, "PNG")
    return out.getvalue()


def glb_of(texture, *, morphs=0):
    """A triangle with a texture, and shape keys of 4 kB each with an animation of their weights."""
    views = [bytes(36), texture, *(bytes(4000) for _ in range(morphs)), bytes(8), bytes(8 * max(morphs, 1))]
    document = {
        "asset": {"version": "2.0"},
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
            *({"bufferView": 2 + i, "componentType": 5126, "count": 3, "type": "VEC3"} for i in range(morphs)),
            {"bufferView": 2 + morphs, "componentType": 5126, "count": 2, "type": "SCALAR", "min": [0], "max": [1]},
            {"bufferView": 3 + morphs, "componentType": 5126, "count": 2, "type": "SCALAR"},
        ],
        "bufferViews": [{"buffer": 0, "byteLength": len(view)} for view in views],
        "buffers": [{"byteLength": 0}],
        "images": [{"bufferView": 1, "mimeType": "image/png"}],
        "meshes": [
            {
                "primitives": [
                    {"attributes": {"POSITION": 0}, "targets": [{"POSITION": 1 + i} for i in range(morphs)]}
                ],
                "weights": [0.0] * morphs,
            }
        ],
        "animations": [
            {
                "samplers": [{"input": 1 + morphs, "output": 2 + morphs}],
                "channels": [{"sampler": 0, "target": {"node": 0, "path": "weights"}}],
            }
        ],
    }
    return draw_scene.write_glb(document, views)


def light(tmp_path, data, **params):
    source = Glb(tmp_path / "scene.glb")
    source.path.write_bytes(data)
    stage_work = work(tmp_path / "work", draw_scene)
    out = draw_scene.run(draw_scene.Inputs(source), draw_scene.Params(**params), None, stage_work).glb.path.read_bytes()
    return (*draw_scene.read_glb(out), out)


def test_an_opaque_texture_becomes_a_small_jpeg(tmp_path):
    document, binary, _ = light(tmp_path, glb_of(picture("RGBA", (2048, 1024), (10, 200, 30, 255))))
    (image,) = document["images"]
    view = document["bufferViews"][image["bufferView"]]
    with Pillow.open(io.BytesIO(binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]])) as found:
        assert (image["mimeType"], found.format, found.size) == ("image/jpeg", "JPEG", (1024, 512))
        assert np.abs(np.asarray(found)[0, 0].astype(int) - (10, 200, 30)).max() < 4


def test_a_texture_with_holes_keeps_them(tmp_path):
    document, binary, _ = light(tmp_path, glb_of(picture("RGBA", (8, 8), (10, 200, 30, 0))))
    (image,) = document["images"]
    view = document["bufferViews"][image["bufferView"]]
    with Pillow.open(io.BytesIO(binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]])) as found:
        assert (image["mimeType"], found.mode) == ("image/png", "RGBA")


def test_the_file_says_how_long_it_is_and_keeps_its_geometry(tmp_path):
    document, binary, out = light(tmp_path, glb_of(picture("RGB", (8, 8), (1, 2, 3)), morphs=2))
    assert int.from_bytes(out[8:12], "little") == len(out)
    assert document["buffers"] == [{"byteLength": len(binary)}]
    assert document["bufferViews"][0]["byteLength"] == 36
    assert len(document["meshes"][0]["primitives"][0]["targets"]) == 2


def test_a_scene_that_is_too_much_for_a_page_stays_in_its_rest_shape(tmp_path):
    data = glb_of(picture("RGB", (8, 8), (1, 2, 3)), morphs=40)
    document, _, out = light(tmp_path, data, most_bytes=50_000)
    assert len(out) < 15_000 < len(data)
    assert "targets" not in document["meshes"][0]["primitives"][0]
    assert "animations" not in document
    assert document["accessors"][0]["bufferView"] == 0


@pytest.mark.parametrize("data", [b"", b"glTF", b"not a glb at all, but long enough to be read as one"])
def test_what_is_no_glb_is_told(tmp_path, data):
    with pytest.raises(StageError, match="not a binary glTF"):
        light(tmp_path, data)
