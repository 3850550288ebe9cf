"""inpaint, background_views and background_mesh, one after the other on a small photo."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from i2v3d.artifacts.scene import Layout
from i2v3d.backends.embedded.inpaint import GuidedPatchMatch
from i2v3d.errors import StageError
from i2v3d.geometry.mesh_checks import find_mesh_faults
from i2v3d.stages import background_mesh, background_views, inpaint, layout
from tests.photo_scenes import HEIGHT, WIDTH, disc, photo_with_disc, scene, written_image, written_matte
from tests.work_folder import WorkFolder


def work(folder, module):
    folder.mkdir(parents=True)
    return WorkFolder(folder, module.Outputs)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return chain(tmp_path_factory.mktemp("background"))


def with_background(folder, **background):
    plain = scene(folder / "p.jpg")
    return dataclasses.replace(plain, background=dataclasses.replace(plain.background, **background))


def chain(folder, **background):
    given = with_background(folder, **background)
    (place,), (fill,), (widen,), (mesh,) = (
        tuple(module.nodes(given)) for module in (layout, inpaint, background_views, background_mesh)
    )
    photo = written_image(folder / "photo.png", photo_with_disc())
    alpha = written_matte(folder / "alpha.png", disc())
    solved = layout.run(layout.Inputs((alpha,)), place.params, None, work(folder / "layout", layout)).layout
    backend = GuidedPatchMatch()
    filled = inpaint.run(
        inpaint.Inputs(photo, (alpha,), solved), fill.params, backend, work(folder / "inpaint", inpaint)
    )
    views = background_views.run(
        background_views.Inputs(filled.filled, filled.hole, solved),
        widen.params,
        backend,
        work(folder / "views", background_views),
    ).views
    result = background_mesh.run(
        background_mesh.Inputs(views, solved, None), mesh.params, None, work(folder / "mesh", background_mesh)
    ).mesh
    return SimpleNamespace(layout=solved.read(), layout_file=solved, filled=filled, views=views, mesh=result)


def test_the_hole_holds_every_pixel_that_shows_the_thing_and_grows_further_down(made):
    hole = made.filled.hole.read() > 0
    rows, columns = np.nonzero(hole)
    assert hole[disc() > 0.02].all()
    assert (columns.min(), columns.max()) == (51, 108)
    assert (rows.min(), rows.max()) == (41, 102)


def test_outside_the_hole_the_empty_scene_is_the_photo(made):
    hole = made.filled.hole.read() > 0
    filled = made.filled.filled.read()
    assert np.array_equal(filled[~hole], photo_with_disc()[~hole])
    assert np.abs(filled[hole].astype(int) - [220, 60, 40]).mean() > 40


def test_the_widened_view_holds_the_photo_and_says_what_was_seen(made):
    (view,) = made.views.read()
    assert view.colour.shape == (HEIGHT + 60, WIDTH + 80, 4)
    inner = (slice(30, 30 + HEIGHT), slice(40, 40 + WIDTH))
    assert np.array_equal(view.colour[inner][..., :3], made.filled.filled.read())
    assert np.array_equal(view.is_observed[inner] > 0, made.filled.hole.read() == 0)
    assert np.count_nonzero(view.is_observed) == np.count_nonzero(view.is_observed[inner])
    assert (view.colour[..., 3] == 255).all()


def test_the_margin_meets_the_photo_without_a_step(made):
    (view,) = made.views.read()
    colour = view.colour[..., :3].astype(int)
    at_frame = np.abs(colour[30:150, 39] - colour[30:150, 40]).mean()
    inside = np.abs(colour[30:150, 41] - colour[30:150, 42]).mean()
    assert at_frame <= inside + 1
    assert np.abs(colour[29, 40:200] - colour[30, 40:200]).max() <= 2


def test_the_widened_camera_sees_the_world_as_the_source_camera_does(made):
    (view,) = made.views.read()
    point = np.array([[0.3, 9.0, 1.0]])
    wide, _ = view.camera.project(point)
    photo, _ = made.layout.camera.project(point)
    assert np.allclose(wide - photo, [[40, 30]])


def test_every_vertex_projects_to_the_texel_it_reads(made):
    mesh = made.mesh.read()
    (view,) = made.views.read()
    pixels, depth = view.camera.project(mesh.vertices_m.astype(np.float64))
    texels = mesh.texcoords[:, :2] / mesh.texcoords[:, 2:] * [WIDTH + 80, HEIGHT + 60]
    assert np.abs(pixels - texels).max() < 1e-3
    assert np.allclose(depth, mesh.texcoords[:, 2], rtol=1e-4)


def test_the_mesh_is_sound_faces_the_camera_and_covers_the_widened_picture(made):
    mesh = made.mesh.read()
    made.mesh.check()
    assert not find_mesh_faults(mesh.vertices_m, mesh.faces)
    corner = mesh.vertices_m[mesh.faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    eye = made.layout.camera.world_from_camera[:3, 3]
    assert (np.einsum("nc,nc->n", normal, eye - corner[:, 0]) > 0).all()
    (view,) = made.views.read()
    pixels, _ = view.camera.project(mesh.vertices_m.astype(np.float64))
    assert np.allclose(pixels.min(axis=0), 0, atol=1e-3)
    assert np.allclose(pixels.max(axis=0), [WIDTH + 80, HEIGHT + 60], atol=1e-3)


def test_two_runs_give_equal_bytes(made, tmp_path):
    again = chain(tmp_path)
    for a, b in ((made.filled.filled, again.filled.filled), (made.filled.hole, again.filled.hole)):
        assert a.path.read_bytes() == b.path.read_bytes()
    for a, b in ((made.views.path, again.views.path), (made.mesh.path, again.mesh.path)):
        assert [file.name for file in sorted(a.iterdir())] == [file.name for file in sorted(b.iterdir())]
        for file in a.iterdir():
            assert file.read_bytes() == (b / file.name).read_bytes(), file.name


def test_what_must_not_be_copied_is_not_in_the_margin_either(made, tmp_path):
    corner = ((0.0, 90.0), (40.0, 90.0), (40.0, 120.0), (0.0, 120.0))
    marked = photo_with_disc()
    marked[95:115, 5:35] = (20, 220, 60)
    is_margin = np.ones((HEIGHT + 60, WIDTH + 80), bool)
    is_margin[30 : 30 + HEIGHT, 40 : 40 + WIDTH] = False
    green = {}
    for name, forbidden in (("free", ()), ("forbidden", (corner,))):
        (node,) = background_views.nodes(with_background(tmp_path, forbidden=forbidden))
        filled = written_image(tmp_path / f"{name}.png", marked)
        inputs = background_views.Inputs(filled, made.filled.hole, made.layout_file)
        outputs = background_views.run(inputs, node.params, GuidedPatchMatch(), work(tmp_path / name, background_views))
        colour = outputs.views.read()[0].colour[..., :3].astype(int)
        green[name] = np.count_nonzero(is_margin & (colour[..., 1] - colour[..., 0] > 60))
    assert green["free"] > 100
    assert green["forbidden"] == 0


def test_holes_that_cover_everything_are_refused(tmp_path):
    with pytest.raises(StageError, match="no background is left"):
        chain(tmp_path, hole_grow_px=200)


def test_a_depth_layout_needs_and_uses_its_file(made, tmp_path):
    depth = np.full((HEIGHT, WIDTH), 30.0)
    depth[:, :80] = 60.0
    np.save(tmp_path / "d.npy", depth)
    document = made.layout
    background = {"kind": "depth", "depth_kind": "metric", "near_m": 1.0, "far_m": 100.0, "scale": 1.0}
    from i2v3d.artifacts.scene import Layout

    file = Layout(tmp_path / "layout.json")
    file.write(dataclasses.replace(document, background=background))
    inputs = background_mesh.Inputs(made.views, file, tmp_path / "d.npy")
    mesh = background_mesh.run(
        inputs, background_mesh.Params(), None, work(tmp_path / "w", background_mesh)
    ).mesh.read()
    _, z_depth = document.camera.project(mesh.vertices_m.astype(np.float64))
    assert z_depth.min() == pytest.approx(30.0, rel=1e-3) and z_depth.max() == pytest.approx(60.0, rel=1e-3)
    with pytest.raises(StageError, match="none was given"):
        background_mesh.run(
            dataclasses.replace(inputs, depth=None),
            background_mesh.Params(),
            None,
            work(tmp_path / "v", background_mesh),
        )


@pytest.mark.parametrize(("share", "expected"), [(1.0, None), (1.05, None), (0.5, "0.8m"), (2.0, "3.2m")])
def test_a_depth_file_with_the_ground_at_another_height_is_told(made, share, expected, tmp_path):
    camera = made.layout.camera
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    rays = camera.intrinsics.rays(np.stack([columns, rows], axis=-1)) @ camera.world_from_camera[:3, :3].T
    down = np.maximum(-rays[..., 2], 1e-6)
    np.save(tmp_path / "d.npy", share * np.minimum(camera.world_from_camera[2, 3] / down, 200.0))
    file = Layout(tmp_path / "layout.json")
    background = {"kind": "depth", "depth_kind": "metric", "near_m": 1.0, "far_m": 100.0, "scale": 1.0}
    file.write(dataclasses.replace(made.layout, background=background))
    inputs = background_mesh.Inputs(made.views, file, tmp_path / "d.npy")
    told = work(tmp_path / "w", background_mesh)
    background_mesh.run(inputs, background_mesh.Params(), None, told)
    assert [f"height: {expected}" in line for line in told.said] == [True] * (expected is not None)
