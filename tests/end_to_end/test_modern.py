"""Whole builds in profile `modern` on a tiny random Wan VACE, on the CPU; keyframes by the embedded backend."""

import copy
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from scenes import SPEC, i2v3d, write_spec

pytestmark = [pytest.mark.slow, pytest.mark.blender]

OPTIONS = ("--profile", "modern", "--set", "backends.keyframes=embedded")


def modern_spec(**changes):
    spec = copy.deepcopy(SPEC)
    spec["source"]["prompt"] = "a sks rocket on a launch pad at dusk"
    spec["output"]["size"] = [96, 64]
    spec["camera"][1]["at"] = 5  # so that an edit after it leaves all that is known of frame 4, its flow too
    spec["interpolate"] = {"steps": 2}
    spec["models"] = {"precision": "fp32", "wan_vace": "./weights"}
    return {**spec, **changes}


def steps_run(folder):
    newest = max((folder / ".i2v3d" / "builds").rglob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns)
    events = map(json.loads, newest.read_text().splitlines())
    return [event["step"] for event in events if event["event"] == "StepFinished"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    for library in ("torch", "diffusers", "transformers"):
        pytest.importorskip(library, reason="needs the extra i2v3d[diffusion]")
    from tests.tiny_models_wan import write_wan_vace

    folder = tmp_path_factory.mktemp("modern")
    write_wan_vace(folder / "weights")
    i2v3d("build", write_spec(folder, modern_spec()), *OPTIONS, cwd=folder)
    return folder


def test_a_photo_becomes_a_video(built):
    import av

    with av.open(str(built / "out" / "small" / "video.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 9
    assert frames[0].shape == (64, 96, 3)
    assert {"interpolate[0-4]", "interpolate[4-8]", "depth_range"} <= set(steps_run(built))


def test_an_edit_makes_only_the_intervals_it_touches(built):
    spec = modern_spec()
    spec["camera"][2]["zoom"] = 1.25
    i2v3d("build", write_spec(built, spec), *OPTIONS, cwd=built)
    ran = set(steps_run(built))
    assert "interpolate[4-8]" in ran
    assert "interpolate[0-4]" not in ran


def test_what_wan_vace_does_not_read_makes_nothing_anew(built):
    i2v3d("build", write_spec(built, modern_spec()), *OPTIONS, cwd=built)
    changed = modern_spec(guidance={"features": "off"}, interpolate={"steps": 2, "motion_bucket": 60})
    run = i2v3d("build", write_spec(built, changed), *OPTIONS, cwd=built)
    assert "0 steps run" in run.stdout
    assert run.stdout.count("no effect") + run.stderr.count("no effect") == 2


def test_a_folder_of_another_model_is_told_with_its_field(built):
    (built / "weights_of_another" / "transformer").mkdir(parents=True)
    config = built / "weights_of_another" / "transformer" / "config.json"
    config.write_text('{"_class_name": "WanTransformer3DModel"}')
    spec = modern_spec(models={"wan_vace": "./weights_of_another"})
    run = i2v3d("build", write_spec(built, spec), *OPTIONS, cwd=built, check=False)
    assert run.returncode != 0
    assert "wan_vace" in run.stdout + run.stderr
