import numpy as np
import pytest
import trimesh

from i2v3d.artifacts.images import CutOut
from i2v3d.artifacts.scene import Layout
from i2v3d.backends.embedded.meshing import ShapeMesher
from i2v3d.errors import StageError
from i2v3d.spec.resolved import Card, Inflate
from i2v3d.stages.foreground_mesh import Inputs, Outputs, Params, run
from tests.meshing_scenes import coloured, disc, layout_with
from tests.work_folder import WorkFolder

BALL = coloured(disc((80, 70), 30))


def inputs_in(folder, cut_out=BALL, file=None) -> Inputs:
    layout = Layout(folder / "layout.json")
    layout.write(layout_with((80.0, 100.0)))
    cutout = CutOut(folder / "cutout.png")
    if cut_out is not None:
        cutout.write(cut_out)
    return Inputs(cutout if cut_out is not None else None, layout, file)


def run_in(folder, inputs: Inputs, params: Params) -> Outputs:
    folder.mkdir()
    return run(inputs, params, ShapeMesher(), WorkFolder(folder, Outputs))


def bytes_of(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_cut_out_becomes_a_mesh_and_six_views(tmp_path):
    outputs = run_in(tmp_path / "work", inputs_in(tmp_path), Params("thing", Inflate(0.5, "mirror"), None))
    outputs.mesh.check()
    views = outputs.views.read()
    assert len(views) == 6
    for view in views:
        assert view.colour.shape == (320, 320, 4)
        assert 0.05 < (view.colour[..., 3] > 127).mean() < 0.9
        assert view.colour[[0, -1], :, 3].max() == 0, "the object leaves the view"


def test_views_from_the_front_are_observed_and_views_from_behind_are_not(tmp_path):
    outputs = run_in(tmp_path / "work", inputs_in(tmp_path), Params("thing", Inflate(0.5, "mirror"), None))
    shares = [(view.is_observed > 0).sum() / (view.colour[..., 3] > 127).sum() for view in outputs.views.read()]
    assert shares[0] > 0.8
    assert shares[5] > 0.8
    assert shares[2] < 0.2
    assert shares[3] < 0.2


def test_two_runs_in_different_folders_give_the_same_bytes(tmp_path):
    inputs, params = inputs_in(tmp_path), Params("thing", Card(), None)
    first, second = (run_in(tmp_path / name, inputs, params) for name in ("first", "second"))
    assert bytes_of(first.mesh.path) == bytes_of(second.mesh.path)
    assert bytes_of(first.views.path) == bytes_of(second.views.path)


def test_a_mesh_file_is_scaled_to_its_height(tmp_path):
    file = tmp_path / "post.glb"
    trimesh.creation.box((1, 5, 1)).export(file)
    outputs = run_in(tmp_path / "work", inputs_in(tmp_path, None, file), Params("thing", None, 2.0))
    vertices = outputs.mesh.read().vertices_m
    assert np.ptp(vertices[:, 2]) == pytest.approx(2.0)
    assert vertices[:, 2].min() == pytest.approx(0.0, abs=1e-6)
    assert np.ptp(vertices[:, 0]) == pytest.approx(0.4)


def test_a_mesh_file_with_a_pivot_still_stands_on_its_base(tmp_path):
    file = tmp_path / "post.glb"
    trimesh.creation.box((1, 5, 1)).export(file)
    inputs = inputs_in(tmp_path, None, file)
    outputs = run_in(tmp_path / "work", inputs, Params("thing", None, 2.0, (0.1, 0.0, 1.5)))
    vertices = outputs.mesh.read().vertices_m  # the layout puts the origin at the pivot, 1.5 m over the base
    assert vertices[:, 2].min() == pytest.approx(-1.5, abs=1e-6)
    assert vertices[:, 2].max() == pytest.approx(0.5, abs=1e-6)
    assert vertices[:, 0].mean() == pytest.approx(-0.1, abs=1e-6)


def test_neither_pixels_nor_a_file_is_an_error_that_names_the_object(tmp_path):
    with pytest.raises(StageError, match="`thing`"):
        run_in(tmp_path / "work", inputs_in(tmp_path, None), Params("thing", None, None))
