from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v3d.artifacts.passes import FLOW_STEPS_PER_PX, Passes
from i2v3d.artifacts.scene import FramePasses
from i2v3d.errors import ArtifactError


def frame_passes(seed: int, *, height: int = 37, width: int = 53, flow_px: float = 5.0) -> FramePasses:
    random = np.random.default_rng(seed)
    depth = random.uniform(0.5, 80.0, (height, width)).astype(np.float32)
    depth[random.random((height, width)) < 0.1] = np.inf
    return FramePasses(
        depth_m=depth,
        ids=random.integers(0, 256, (height, width)).astype(np.uint8),
        is_observed=random.random((height, width)) < 0.5,
        flow_forward_px=random.normal(0, flow_px, (height, width, 2)).astype(np.float32),
        flow_backward_px=random.normal(0, flow_px, (height, width, 2)).astype(np.float32),
        has_next=bool(seed % 2),
        has_previous=bool(seed % 3),
    )


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    flow_px=st.sampled_from([0.001, 3.0, 60.0, 900.0]),
)
def test_reading_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, seed: int, height: int, width: int, flow_px: float
) -> None:
    written = frame_passes(seed, height=height, width=width, flow_px=flow_px)
    passes = Passes(tmp_path_factory.mktemp("passes") / "passes.npz")
    passes.write(written)
    passes.check()
    read = passes.read()
    assert np.array_equal(read.depth_m, written.depth_m)
    assert np.array_equal(read.ids, written.ids)
    assert np.array_equal(passes.read_ids(), written.ids)
    assert np.array_equal(read.is_observed, written.is_observed)
    assert (read.has_next, read.has_previous) == (written.has_next, written.has_previous)
    limit_px = 0.5 / FLOW_STEPS_PER_PX + 1e-7 * flow_px * 10
    for name in ("flow_forward_px", "flow_backward_px"):
        assert np.abs(getattr(read, name) - getattr(written, name)).max() <= limit_px
        assert getattr(read, name).dtype == np.float32


def test_equal_passes_give_equal_bytes(tmp_path: Path) -> None:
    first, second = Passes(tmp_path / "a.npz"), Passes(tmp_path / "b.npz")
    first.write(frame_passes(3))
    second.write(frame_passes(3))
    assert first.path.read_bytes() == second.path.read_bytes()


def test_a_flow_through_the_camera_plane_is_clipped_not_wrapped(tmp_path: Path) -> None:
    written = frame_passes(1)
    written.flow_forward_px[3, 4] = (1e20, -1e20)
    passes = Passes(tmp_path / "p.npz")
    passes.write(written)
    x, y = passes.read().flow_forward_px[3, 4]
    assert x > 4e6
    assert y < -4e6


@pytest.mark.parametrize("field", ["depth_m", "flow_forward_px", "flow_backward_px"])
def test_a_pass_that_is_not_a_number_is_refused(tmp_path: Path, field: str) -> None:
    written = frame_passes(1)
    getattr(written, field)[2, 2] = np.nan
    with pytest.raises(ArtifactError, match="not a number"):
        Passes(tmp_path / "p.npz").write(written)


def test_a_cut_off_file_is_an_artifact_error(tmp_path: Path) -> None:
    passes = Passes(tmp_path / "p.npz")
    passes.write(frame_passes(1))
    arrays = passes.read_arrays()
    arrays["ids"] = arrays["ids"][:-4]
    passes.write_arrays(arrays)
    with pytest.raises(ArtifactError, match="not the passes"):
        passes.read()


def test_a_smooth_frame_takes_less_than_a_tenth_of_its_raw_size(tmp_path: Path) -> None:
    row, column = np.mgrid[:288, :512].astype(np.float32)
    depth = np.where(row > 150, 800.0 / np.maximum(row - 100, 1), 16.0).astype(np.float32)
    flow = np.stack([30 / depth, 0.01 * row], axis=-1)
    ids = np.where(np.abs(column - 250) < 30, 2, 1).astype(np.uint8)
    passes = Passes(tmp_path / "p.npz")
    passes.write(FramePasses(depth, ids, ids == 1, flow, -flow, has_next=True, has_previous=True))
    raw = 22 * depth.size
    assert passes.path.stat().st_size < raw / 10
