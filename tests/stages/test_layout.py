import dataclasses

import numpy as np
import pytest

from i2v3d.errors import StageError
from i2v3d.geometry.layout_background import Surfaces
from i2v3d.geometry.layout_solve import Silhouette, measure_silhouette
from i2v3d.spec.resolved import Place
from i2v3d.stages import background_mesh, background_views, foreground_mesh, inpaint, layout
from i2v3d.stages.base import OutputRef
from i2v3d.stages.layout import Params, Standing, solve
from tests.photo_scenes import disc, scene, written_matte
from tests.work_folder import WorkFolder

OUTLINE = Silhouette(70.0, 40.0, 90.0, 100.0, 80.0, 80.0)
SURFACES = Surfaces("ground_and_backdrop", 60.0, None, None, None, "metric", 1.0, 100.0)


def thing(name="ball", **changes):
    values = {
        "name": name,
        "is_in_photo": True,
        "copy_of": None,
        "place": None,
        "height_m": None,
        "pivot_m": (0.0, 0.0, 0.0),
        "contact_y_px": None,
        "is_standing": True,
        "distance_m": None,
    }
    return Standing(**(values | changes))


def params(*things, **surfaces):
    return Params(160, 120, 0.8, 1.6, dataclasses.replace(SURFACES, **surfaces), things)


def seen(*things):
    return {item.name: OUTLINE for item in things if item.is_in_photo}


def solved(*things, **surfaces):
    return solve(params(*things, **surfaces), seen(*things))


def test_a_standing_thing_is_where_its_contact_row_meets_the_ground():
    result = solved(thing())
    pivot = result.objects["ball"].world_from_object[:3, 3]
    assert abs(pivot[2]) < 1e-9
    pixel, depth = result.camera.project(pivot[None])
    assert np.allclose(pixel, [[80.0, 100.0]])
    assert depth[0] == pytest.approx(result.objects["ball"].depth_m)


def test_the_horizon_is_where_it_was_declared():
    result = solved(thing())
    far, _ = result.camera.project(np.array([[0.0, 1e9, 1.6]]))
    assert far[0, 1] == pytest.approx(60.0, abs=1e-3)


def test_a_declared_contact_replaces_the_lowest_row():
    nearer, further = solved(thing()), solved(thing(contact_y_px=90.0))
    assert further.objects["ball"].depth_m > nearer.objects["ball"].depth_m
    assert further.objects["ball"].contact_y_px == 90.0


def test_a_known_height_makes_the_scene_metric():
    plain, metric = solved(thing()), solved(thing(height_m=30.0))
    scale = metric.metres_per_unit
    assert metric.camera.world_from_camera[2, 3] == pytest.approx(1.6 * scale)
    assert metric.objects["ball"].depth_m == pytest.approx(plain.objects["ball"].depth_m * scale)
    base = metric.objects["ball"].world_from_object[:3, 3]
    top, _ = metric.camera.project((base + np.array([0, 0, 30.0]))[None])
    assert top[0, 1] == pytest.approx(40.0, abs=1e-6)
    assert metric.background["backdrop_y_m"] == pytest.approx(plain.background["backdrop_y_m"] * scale)


def test_contact_above_the_horizon_is_refused_with_its_row():
    with pytest.raises(StageError, match=r"`ball` touches the ground on row 50 \(41\.7 %") as caught:
        solved(thing(contact_y_px=50.0))
    assert "background.horizon" in caught.value.hint


def test_a_floating_thing_hangs_at_its_distance():
    result = solved(thing(is_standing=False, distance_m=3.0))
    assert result.objects["ball"].depth_m == pytest.approx(3.0)
    pixel, _ = result.camera.project(result.objects["ball"].world_from_object[:3, 3][None])
    assert np.allclose(pixel, [[80.0, 100.0]])


def test_a_floating_thing_of_known_height_has_its_distance_from_it():
    result = solved(thing(is_standing=False, height_m=0.25), horizon_y_px=60.0)
    focal = result.camera.intrinsics.focal_y_px
    assert result.objects["ball"].depth_m == pytest.approx(0.25 * focal / 60.0)
    assert result.metres_per_unit == 1.0


def test_copies_stand_beside_their_original_or_where_they_are_put():
    beside = thing("twin", is_in_photo=False, copy_of="ball", place=Place((2.0, 0.5, 0.0), True, 0.5))
    put = thing("third", is_in_photo=False, copy_of="ball", place=Place((1.0, 4.0, 0.0), False, 0.0))
    result = solved(thing(), beside, put)
    original = result.objects["ball"].world_from_object[:3, 3]
    assert np.allclose(result.objects["twin"].world_from_object[:3, 3], original + np.array([2.0, 0.5, 0.0]))
    assert result.objects["twin"].world_from_object[1, 0] == pytest.approx(np.sin(0.5))
    assert np.allclose(result.objects["third"].world_from_object[:3, 3], [1.0, 4.0, 0.0])
    assert np.isnan(result.objects["third"].contact_y_px)


def copy(original, place=None, name="twin", **changes):
    return thing(name, is_in_photo=False, copy_of=original, place=place, **changes)


def test_a_copy_may_come_before_its_original():
    file = thing("flag", is_in_photo=False, is_mesh_file=True, place=Place((1.0, 4.0, 0.0), False, 0.0))
    result = solved(copy("flag", Place((2.0, 0.0, 0.0), True, 0.0)), file)
    assert list(result.objects) == ["twin", "flag"]
    assert np.allclose(result.objects["twin"].world_from_object[:3, 3], [3.0, 4.0, 0.0])


def test_a_copy_is_scaled_to_its_own_height():
    standing = solved(thing(height_m=3.0), copy("ball", height_m=1.5))
    assert standing.objects["ball"].scale == 1.0
    assert standing.objects["twin"].scale == pytest.approx(0.5)
    floating = solved(thing(is_standing=False, height_m=0.3), copy("ball", height_m=0.9))
    assert floating.objects["twin"].scale == pytest.approx(3.0)
    place = Place((1.0, 4.0, 0.0), False, 0.0)
    file = thing("flag", is_in_photo=False, is_mesh_file=True, place=place, height_m=2.0)
    assert solved(file, copy("flag", height_m=5.0)).objects["twin"].scale == pytest.approx(2.5)
    with pytest.raises(StageError, match="that of `flag`, which it copies, is not known"):
        solved(dataclasses.replace(file, height_m=None), copy("flag", height_m=5.0))


def test_the_pivot_of_a_copy_is_turned_and_scaled_with_it():
    ball = thing(height_m=2.0, pivot_m=(0.3, 0.0, 0.5))
    twin = copy("ball", Place((5.0, 6.0, 0.0), False, np.pi / 2), height_m=4.0)
    result = solved(ball, twin)
    assert np.allclose(result.objects["twin"].world_from_object[:3, 3], [5.0, 6.6, 1.0])
    base, _ = result.camera.project(result.objects["ball"].world_from_object[:3, 3] - [[0.3, 0.0, 0.5]])
    assert np.allclose(base, [[80.0, 100.0]])
    with pytest.raises(StageError, match="`twin` shares the mesh of `ball`"):
        solved(ball, dataclasses.replace(twin, pivot_m=(0.0, 1.0, 0.0)))


def test_a_copy_beside_a_turned_original_is_turned_like_it():
    place = Place((1.0, 4.0, 0.0), False, 0.5)
    file = thing("flag", is_in_photo=False, is_mesh_file=True, place=place, pivot_m=(1.0, 0.0, 0.0))
    result = solved(file, copy("flag", Place((2.0, 0.0, 0.0), True, 0.25)))
    assert result.objects["flag"].world_from_object[1, 0] == pytest.approx(np.sin(0.5))
    assert np.allclose(result.objects["flag"].world_from_object[:2, 3], [1 + np.cos(0.5), 4 + np.sin(0.5)])
    assert result.objects["twin"].world_from_object[1, 0] == pytest.approx(np.sin(0.75))


def test_a_photo_object_cannot_be_placed():
    with pytest.raises(StageError, match="`ball` stands where the photo shows it"):
        solved(thing(place=Place((0, 0, 0), False, 0.0)))


def test_a_backdrop_is_behind_everything_or_refused():
    result = solved(thing())
    assert result.background["backdrop_y_m"] > result.objects["ball"].world_from_object[1, 3]
    with pytest.raises(StageError, match="in front of `ball`"):
        solved(thing(), contact_y_px=110.0)
    with pytest.raises(StageError, match=r"the backdrop is 2 m away, in front of `ball`"):
        solved(thing(), distance_m=2.0)


def test_a_table_without_horizon_is_seen_from_45_degrees():
    result = solved(thing(), layout="plane", horizon_y_px=None)
    assert result.camera.world_from_camera[2, 2] == pytest.approx(-np.sqrt(0.5))


def test_the_base_of_a_thing_seen_from_above_is_a_disc_as_wide_as_its_outline():
    result = solved(thing(has_round_base=True), layout="plane", horizon_y_px=None)
    pivot = result.objects["ball"].world_from_object[:3, 3]
    near = np.array([80.0, 100.0])
    ray = result.camera.world_from_camera[:3, :3] @ result.camera.intrinsics.rays(near)
    edge = result.camera.world_from_camera[:3, 3] + ray * (-result.camera.world_from_camera[2, 3] / ray[2])
    radius = np.linalg.norm(pivot - edge)
    turn = np.linspace(0, 2 * np.pi, 100)
    rim = pivot + radius * np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    pixels, _ = result.camera.project(rim)
    assert np.ptp(pixels[:, 0]) == pytest.approx(20.0, abs=0.1)
    assert pixels[:, 1].max() == pytest.approx(100.0, abs=0.1)


def test_a_flat_thing_seen_from_above_stands_where_it_touches_the_table_nearest():
    result = solved(thing(), layout="plane", horizon_y_px=None)
    pixel, _ = result.camera.project(result.objects["ball"].world_from_object[:3, 3])
    np.testing.assert_allclose(pixel, (80.0, 100.0), atol=1e-6)


def test_a_room_is_solved_from_its_back_wall():
    wall = (50.0, 30.0, 120.0, 80.0)
    result = solved(thing(), layout="room", horizon_y_px=None, back_wall_px=wall)
    room, camera = result.background, result.camera
    corners = [(room["left_m"], room["back_m"], 0.0), (room["right_m"], room["back_m"], room["ceiling_m"])]
    pixels, _ = camera.project(np.array(corners))
    assert pixels[0, 1] == pytest.approx(80.0) and pixels[1, 1] == pytest.approx(30.0)
    assert pixels[0, 0] == pytest.approx(50.0, abs=1.5) and pixels[1, 0] == pytest.approx(120.0, abs=1.5)


@pytest.mark.parametrize(
    ("surfaces", "message"),
    [
        ({"layout": "room"}, "needs its back wall"),
        ({"layout": "room", "back_wall_px": (90.0, 30.0, 150.0, 80.0)}, "must hold the point straight ahead"),
        ({"layout": "room", "back_wall_px": (50.0, 30.0, 120.0, 110.0)}, "the back wall is .* in front of `ball`"),
        ({"layout": "dome", "distance_m": 1.0}, "the dome is 1 m away"),
    ],
)
def test_impossible_backgrounds_are_refused(surfaces, message):
    with pytest.raises(StageError, match=message):
        solved(thing(), **surfaces)


def test_a_scene_without_objects_has_a_layout():
    assert solved().background["backdrop_y_m"] > 10


def test_an_outline_is_measured_at_half_opacity():
    outline = measure_silhouette(np.rint(disc() * 255).astype(np.uint8))
    assert (outline.left_px, outline.right_px) == (55.0, 105.0)
    assert (outline.top_px, outline.bottom_px) == (45.0, 95.0)
    assert outline.base_x_px == pytest.approx(80.0) and outline.middle_x_px == pytest.approx(80.0)
    with pytest.raises(StageError, match="empty"):
        measure_silhouette(np.zeros((10, 10), np.uint8))


def test_the_stage_writes_what_it_solves_twice_with_equal_bytes(tmp_path):
    (node,) = layout.nodes(scene(tmp_path / "p.jpg"))
    matte = written_matte(tmp_path / "a.png", disc())
    written = []
    for name in "xy":
        (tmp_path / name).mkdir()
        outputs = layout.run(layout.Inputs((matte,)), node.params, None, WorkFolder(tmp_path / name, layout.Outputs))
        outputs.layout.check()
        written.append(outputs.layout.path.read_bytes())
    assert written[0] == written[1]
    assert set(outputs.layout.read().objects) == {"ball"}


def test_moving_a_copy_leaves_the_layout_of_the_photo_as_it_was(tmp_path):
    matte = written_matte(tmp_path / "a.png", disc())
    written = []
    for name, x in (("a", 1.0), ("b", 2.0)):
        (tmp_path / name).mkdir()
        given = params(thing(), copy("ball", Place((x, 0.0, 0.0), True, 0.0)))
        outputs = layout.run(layout.Inputs((matte,)), given, None, WorkFolder(tmp_path / name, layout.Outputs))
        written.append((outputs.layout.path.read_bytes(), outputs.seen.path.read_bytes()))
        assert set(outputs.layout.read().objects) == {"ball", "twin"}
        assert set(outputs.seen.read().objects) == {"ball"}
    assert written[0][0] != written[1][0]
    assert written[0][1] == written[1][1]


@pytest.mark.parametrize("module", [inpaint, background_views, background_mesh, foreground_mesh])
def test_what_is_made_from_the_photo_does_not_depend_on_copies(module, tmp_path):
    (node,) = module.nodes(scene(tmp_path / "p.jpg"))
    assert node.inputs["layout"] == OutputRef("layout", "seen")
