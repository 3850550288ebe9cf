import numpy as np
import pytest

from i2v3d.artifacts.images import CutOut
from i2v3d.artifacts.passes import Passes
from i2v3d.artifacts.scene import FrameState, Mesh, MeshData
from i2v3d.backends.embedded.render_gl import GlRenderer
from i2v3d.geometry.frames import Resolution, invert_rigid
from i2v3d.stages import render
from tests import hand_made_scene as hand


@pytest.fixture(scope="module")
def renderer():
    return GlRenderer()


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """The moving scene, its cache, and every frame as the stage draws it."""
    folder, made = tmp_path_factory.mktemp("moving"), hand.scene(5)
    cache, renderer = hand.cached(folder / "cache", made), GlRenderer()
    return made, cache, [hand.rendered(folder / str(i), made, cache, renderer, i) for i in range(5)]


def test_an_unmoved_view_is_the_photo(tmp_path, renderer):
    made = hand.scene(1, has_copy=False, is_still=True)
    frame = hand.rendered(tmp_path / "frame", made, hand.cached(tmp_path / "cache", made), renderer, 0)
    difference = np.abs(frame.colour.read().astype(int) - hand.photo()[hand.TOP :])
    assert difference.max() <= 1, f"mean {difference.mean():.3f}, max {difference.max()}"
    passes = frame.passes.read()
    assert np.array_equal(passes.ids == 2, hand.card_picture()[hand.TOP :, :, 3] >= 128)
    assert (passes.ids > 0).all()
    assert passes.is_observed.all()


def test_still_surfaces_have_exactly_no_flow(tmp_path, renderer):
    made = hand.scene(3, is_still=True)
    frame = hand.rendered(tmp_path / "frame", made, hand.cached(tmp_path / "cache", made), renderer, 1)
    passes = frame.passes.read()
    assert (passes.has_previous, passes.has_next) == (True, True)
    assert not passes.flow_forward_px.any()
    assert not passes.flow_backward_px.any()


def test_the_ends_of_the_clip_say_which_flow_is_missing(moving):
    first, last = moving[2][0].passes.read(), moving[2][-1].passes.read()
    assert (first.has_previous, first.has_next) == (False, True)
    assert (last.has_previous, last.has_next) == (True, False)
    assert not first.flow_backward_px.any()
    assert not last.flow_forward_px.any()


@pytest.mark.parametrize("frame", [1, 2, 3])
@pytest.mark.parametrize("way", [1, -1])
def test_depth_and_cameras_reproduce_the_flow_of_what_stands_still(moving, frame, way):
    _, cache, frames = moving
    passes = frames[frame].passes.read()
    here, there = (cache.states.item(index).read_arrays() for index in (frame, frame + way))
    height, width = passes.ids.shape
    pixels = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), -1)
    rays = np.dstack([pixels, np.ones((height, width))]) @ np.linalg.inv(here["image_from_camera"]).T
    points = rays * passes.depth_m[..., None].astype(np.float64)
    there_from_here = invert_rigid(there["world_from_camera"]) @ here["world_from_camera"]
    image = (points @ there_from_here[:3, :3].T + there_from_here[:3, 3]) @ there["image_from_camera"].T
    expected = image[..., :2] / image[..., 2:] - pixels
    flow = passes.flow_forward_px if way == 1 else passes.flow_backward_px
    error = np.abs(flow - expected)[passes.ids == 1].max()
    assert np.abs(expected).max() > 2
    assert error <= 0.01, f"{error:.4f} px"


def test_flow_of_a_moving_object_leads_to_where_it_is_next(moving):
    _, cache, frames = moving
    passes = frames[2].passes.read()
    here, there = (cache.states.item(index).read_arrays() for index in (2, 3))
    image = []
    for state in (here, there):
        point = state["transforms"][1] @ (0.0, 0.0, 1.0, 1.0)
        seen = state["image_from_camera"] @ (invert_rigid(state["world_from_camera"]) @ point)[:3]
        image.append(seen[:2] / seen[2])
    column, row = np.floor(image[0]).astype(int)
    assert passes.ids[row, column] == 2
    assert passes.flow_forward_px[row, column] == pytest.approx(image[1] - image[0], abs=0.15)


def test_equal_states_give_equal_bytes_whatever_was_drawn_before(tmp_path, moving):
    made, cache, frames = moving
    fresh = GlRenderer()
    for index in (4, 2):
        again = hand.rendered(tmp_path / str(index), made, cache, fresh, index)
        assert again.colour.path.read_bytes() == frames[index].colour.path.read_bytes()
        assert again.passes.path.read_bytes() == frames[index].passes.path.read_bytes()


def test_frames_do_not_carry_their_number():
    nodes = list(render.nodes(hand.scene(6)))
    assert [node.name for node in nodes] == [f"render[{index}]" for index in range(6)]
    assert nodes[2].params == nodes[3].params
    assert [(n.inputs["states"].start, n.inputs["states"].stop) for n in nodes] == [
        (0, 2), (0, 3), (1, 4), (2, 5), (3, 6), (4, 6),
    ]  # fmt: skip


def test_vertices_of_a_deforming_object_take_the_place_of_its_transform(tmp_path, renderer):
    made = hand.scene(3, has_copy=False)
    cache = hand.cached(tmp_path / "cache", made)
    size = hand.SIZE
    rigid = renderer.render(cache.static.path, tuple(s.path for s in cache.states), 1, size)
    vertices = hand.card_mesh().vertices_m.astype(np.float64)
    for state in cache.states:
        arrays = state.read_arrays()
        pose = arrays["transforms"][1]
        arrays["vertices_2"] = (vertices @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
        arrays["transforms"][1] = np.eye(4)
        state.write_arrays(arrays)
    deformed = renderer.render(cache.static.path, tuple(s.path for s in cache.states), 1, size)
    assert (rigid.passes.ids == deformed.passes.ids).mean() > 0.9999
    same = (rigid.passes.ids == 2) & (deformed.passes.ids == 2)
    assert np.abs(rigid.passes.flow_forward_px - deformed.passes.flow_forward_px)[same].max() < 0.01
    assert np.abs(rigid.colour.astype(int) - deformed.colour).mean() < 0.1


def test_another_scene_at_the_same_path_is_noticed(tmp_path, renderer):
    made = hand.scene(1, has_copy=False, is_still=True)
    cache = hand.cached(tmp_path / "cache", made)
    states = tuple(state.path for state in cache.states)
    before = renderer.render(cache.static.path, states, 0, hand.SIZE).colour
    picture = cache.static.path / "meshes" / "1" / "texture.png"
    mesh = Mesh(picture.parent).read()
    picture.unlink()
    CutOut(picture).write(255 - mesh.texture * np.array([1, 1, 1, 0], np.uint8))
    after = renderer.render(cache.static.path, states, 0, hand.SIZE).colour
    assert np.abs(before.astype(int) - after).mean() > 20


def test_an_object_does_not_shine_through_its_own_front(tmp_path, renderer):
    """A closed box in two colours: red before, green behind; no green may be seen, not even at soft edges."""
    made = hand.scene(1, has_copy=False, is_still=True)
    cache = hand.cached(tmp_path / "cache", made)
    card = hand.card_mesh()
    front, back = card.vertices_m - np.array([0, 0.2, 0]), card.vertices_m + np.array([0, 0.2, 0])
    height, width = card.texture.shape[:2]
    texture = np.concatenate([card.texture, card.texture])
    texture[:height, :, :3], texture[height:, :, :3] = (255, 0, 0), (0, 255, 0)
    half = np.array([1, 0.5, 1])
    mesh = MeshData(
        np.concatenate([front, back]).astype(np.float32),
        np.concatenate([card.faces, card.faces[:, ::-1] + len(front)]),
        np.concatenate([card.texcoords * half, card.texcoords * half + card.texcoords[:, 2:] * (0, 0.5, 0)]).astype(
            "f4"
        ),
        texture,
        np.zeros((2 * height, width), np.uint8),
    )
    folder = cache.static.path / "meshes" / "2"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    Mesh(folder).write(mesh)
    frame = renderer.render(cache.static.path, (cache.states.item_path(0),), 0, hand.SIZE)
    inside = frame.passes.ids == 2
    assert inside.sum() > 2000
    core = inside & np.roll(inside, 3, 0) & np.roll(inside, -3, 0) & np.roll(inside, 3, 1) & np.roll(inside, -3, 1)
    assert np.abs(frame.colour[core].astype(int) - (255, 0, 0)).max() <= 2


def test_nothing_there_is_infinitely_far(tmp_path, renderer):
    made = hand.scene(1, has_copy=False, is_still=True)
    cache = hand.cached(tmp_path / "cache", made)
    state: FrameState = cache.states.item(0)
    arrays = state.read_arrays()
    arrays["world_from_camera"] = arrays["world_from_camera"] @ np.diag([-1.0, 1, -1, 1])  # looks back
    state.write_arrays(arrays)
    passes = renderer.render(cache.static.path, (state.path,), 0, Resolution(64, 48)).passes
    assert np.isinf(passes.depth_m).all()
    assert not passes.ids.any()
    assert not passes.is_observed.any()
    Passes(tmp_path / "p.npz").write(passes)
