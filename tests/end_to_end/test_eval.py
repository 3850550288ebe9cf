"""Measuring through the command line: a built scene, and videos held to its render."""

import copy
import csv
import io
import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from scenes import SPEC, i2v3d, write_spec
from test_build import steps_run

pytestmark = [pytest.mark.slow, pytest.mark.blender]

LONG = {**SPEC, "output": {"size": [192, 108], "fps": 24, "duration": "16f"}}
LONG["camera"] = [{"at": 0}, {"at": 12, "zoom": 1.1}, {"at": 16, "zoom": 1.2}]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    write_spec(folder, LONG)
    i2v3d("build", folder / "scene.yaml")
    return folder


def metrics_of(run) -> dict:
    return json.loads(run.stdout)["metrics"]


def changed(source: Path, target: Path, change) -> Path:
    """Writes a copy of a video whose frames went through `change(index, pixels)`; None leaves a frame out."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = made.add_stream("libx264", rate=24)
        stream.options = {"crf": "10"}
        for index, frame in enumerate(given.decode(video=0)):
            pixels = change(index, frame.to_ndarray(format="rgb24"))
            if pixels is None:
                continue
            if not stream.codec_context.is_open:
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        made.mux(stream.encode(None))
    return target


def test_a_build_leaves_its_metrics_as_json_and_as_a_table(built):
    out = built / "out" / "small"
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["frame_count"] == 17
    assert metrics["metrics"]["ssim_to_render"]["value"] > 0.9
    assert "silhouette_iou[rocket]" in metrics["metrics"]
    assert set(metrics["missing"]) >= {"clip_i", "frame_consistency", "d_rmse"}
    rows = list(csv.reader(io.StringIO((out / "metrics.csv").read_text())))
    assert len(rows) == 2 + 17
    assert rows[0][0] == "frame"


def test_eval_prints_what_the_build_measured_and_runs_nothing(built):
    run = i2v3d("eval", built / "scene.yaml", "--format", "json")
    assert json.loads(run.stdout) == json.loads((built / "out" / "small" / "metrics.json").read_text())
    assert steps_run(built) == []
    table = i2v3d("eval", built / "scene.yaml").stdout
    assert "ssim_to_render" in table
    assert "not measured:" in table


def test_after_an_edit_of_the_end_only_the_end_is_measured_again(built, tmp_path):
    i2v3d("eval", built / "scene.yaml", "--set", "camera[2].zoom=1.25")
    ran = steps_run(built)
    assert "evaluate" in ran
    assert "measure[12-16]" in ran
    assert "measure[0-5]" not in ran


def test_a_builds_own_video_has_nearly_the_values_of_its_frames(built):
    video = built / "out" / "small" / "video.mp4"
    own = json.loads((built / "out" / "small" / "metrics.json").read_text())["metrics"]
    run = i2v3d("eval", "--video", video, "--against", built / "scene.yaml", "--format", "json")
    found = json.loads(run.stdout)["clips"]["video"]
    assert found["notes"] == []
    for name, most in {
        "ssim_to_render": 0.03,
        "silhouette_iou": 0.08,
        "displacement": 0.25,
        "seam_jump": 0.25,
        "flicker": 1.5,
        "unobserved_share": 1e-9,
    }.items():
        if name in own:
            assert found["metrics"][name]["value"] == pytest.approx(own[name]["value"], abs=most), name


def test_several_videos_are_compared_and_the_faulty_ones_are_found_out(built, tmp_path):
    video = built / "out" / "small" / "video.mp4"
    shifted = changed(video, tmp_path / "shifted.mp4", lambda _, pixels: np.roll(pixels, 3, axis=1))
    dark = changed(video, tmp_path / "dark.mp4", lambda k, pixels: pixels if k < 8 else (pixels * 0.9).astype(np.uint8))
    run = i2v3d("eval", built, "--video", shifted, "--video", dark, "--format", "json", "--out", tmp_path / "all.json")
    assert run.stdout == ""
    clips = json.loads((tmp_path / "all.json").read_text())["clips"]
    assert list(clips) == ["dark", "result", "shifted"]
    values = {name: {key: one["value"] for key, one in clip["metrics"].items()} for name, clip in clips.items()}
    assert values["shifted"]["displacement"] == pytest.approx(3, abs=0.3)
    assert values["dark"]["seam_jump"] > 1.5 * values["result"]["seam_jump"]
    assert clips["dark"]["metrics"]["seam_jump"]["worst_frame"] == 8
    lines = i2v3d("eval", built, "--video", shifted, "--video", dark).stdout.splitlines()
    header = next(line for line in lines if line.startswith("metric"))
    assert header.split() == ["metric", "better", "result", "shifted", "dark"]


def test_a_video_of_another_length_and_size_is_brought_to_the_clip_and_that_is_said(built, tmp_path):
    video = built / "out" / "small" / "video.mp4"
    half = changed(video, tmp_path / "half.mp4", lambda k, pixels: pixels[::2, ::2] if k % 2 == 0 else None)
    text = i2v3d("eval", "--video", half, "--against", built).stdout
    assert "half: scaled from 96x54 to 192x108" in text
    assert "half: 9 frames at 24 fps stretched over 17 at 24 fps" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--video", "nowhere.mp4", "--against", "SPEC"), "nowhere.mp4: there is no such video"),
        (("--video", "empty.mp4", "--against", "SPEC"), "empty.mp4: the file is empty"),
        (("--video", "text.mp4", "--against", "SPEC"), "text.mp4: not a video that can be read"),
        (("--video", "square.mp4", "--against", "SPEC"), "192x192 is another shape than the clip's 192x108"),
        (("--against", "SPEC"), "--against says what videos are held to"),
        (("SPEC", "--against", "SPEC"), "give the spec once"),
        ((), "there is no spec"),
        (("SPEC", "--with", "magic"), "--with magic"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_what_to_do(built, tmp_path, arguments, said):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("this is no video\n" * 40)
    if "square.mp4" in arguments:
        video = built / "out" / "small" / "video.mp4"
        changed(video, tmp_path / "square.mp4", lambda _, pixels: np.pad(pixels, ((42, 42), (0, 0), (0, 0))))
    spec = built / "scene.yaml"
    run = i2v3d("eval", *(spec if item == "SPEC" else item for item in arguments), check=False, cwd=tmp_path)
    assert run.returncode == 2, run.stdout + run.stderr
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_help_names_every_metric():
    text = i2v3d("eval", "--help").stdout
    assert "silhouette_iou" in text
    assert "camera_rotation_error (deg, lower is better)" in text


def test_measuring_a_scene_twice_gives_the_same_bytes(built, tmp_path):
    again = copy.deepcopy(LONG)
    write_spec(tmp_path, again)
    i2v3d("build", tmp_path / "scene.yaml", "--jobs", 1)
    for name in ("metrics.json", "metrics.csv"):
        assert (tmp_path / "out" / "small" / name).read_bytes() == (built / "out" / "small" / name).read_bytes()
