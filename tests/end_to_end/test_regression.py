"""`i2v3d check` on real builds: what must fail a check does, what must not does not, and what it writes can be read."""

import json
import re
import shutil
import sys
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from scenes import ROOT, SPEC, i2v3d, write_spec

pytestmark = [pytest.mark.slow, pytest.mark.blender]

TOWER = {
    "segment": {"polygon": [[0.16, 0.35], [0.3, 0.35], [0.3, 0.95], [0.16, 0.95]]},
    "mesh": "card",
    "stands": False,
}
EXPECT = {
    "ssim_to_render": ">= 0.80",
    "silhouette_iou[rocket]": ">= 0.5",
    "camera_path": {"inside": "scene"},
}


def scene(**changes):
    spec = json.loads(json.dumps(SPEC))
    spec["output"] = {"size": [512, 288], "fps": 24, "duration": "8f"}
    spec["objects"]["tower"] = {**TOWER, "distance": "225m"}
    return {**spec, "expect": EXPECT, **changes}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a spec that was checked once, with its baseline, store and output."""
    folder = tmp_path_factory.mktemp("regression") / "small"
    spec = write_spec(folder, scene())
    run = i2v3d("check", spec, "--update", "--progress", "lines")
    assert "baseline written" in run.stdout, run.stdout
    shutil.copy(folder / "out" / "small" / "video.mp4", folder / "first.mp4")  # other tests build other scenes there
    return folder


def check(built, *options, spec=None, expected=1):
    if spec is not None:
        write_spec(built, spec)
    run = i2v3d("check", built / "scene.yaml", "--progress", "lines", *options, check=False)
    assert run.returncode == expected, run.stdout + run.stderr
    return run.stdout


@pytest.fixture(autouse=True)
def _same_spec(built):
    yield
    write_spec(built, scene())


def test_the_same_scene_is_as_expected_and_a_second_baseline_is_the_same(built, tmp_path):
    junit = tmp_path / "deep" / "junit.xml"
    assert "small: as expected" in check(built, "--junit", junit, expected=0)
    root = ElementTree.parse(junit).getroot()
    assert_is_junit(root)
    assert root.get("failures") == root.get("errors") == "0"
    names = {case.get("name") for case in root.iter("testcase")}
    assert {"ssim_to_render >= 0.8", "camera_path inside scene", "shift", "colour[rocket]", "outline[tower]"} <= names
    before = {file.name: file.read_bytes() for file in (built / "baseline" / "small").iterdir()}
    assert "it says what the old one said" in check(built, "--update", expected=0)
    assert before == {file.name: file.read_bytes() for file in (built / "baseline" / "small").iterdir()}
    assert sum(map(len, before.values())) < 9 * 9000


def test_exchanged_masks_fail(built):
    spec = scene()
    things = spec["objects"]
    things["rocket"]["segment"], things["tower"]["segment"] = things["tower"]["segment"], things["rocket"]["segment"]
    said = check(built, spec=spec)
    assert "place[rocket]" in said
    assert "`rocket` stands" in said


def test_an_object_of_another_colour_fails(built):
    spec = scene()
    spec["objects"]["tower"]["material"] = {"tint": "#ff8080"}
    said = check(built, spec=spec)
    assert "colour[tower]" in said
    assert "place[tower]" not in said


def test_one_object_two_pixels_further_right_fails_with_its_name(built):
    spec = scene()
    # 2 px of 1024 at 220 m: the focal length is 1407 px there.
    spec["motion"]["rocket"] = [
        {"at": 0, "move": ["0.4m", 0, 0]},
        {"at": 2, "move": ["0.4m", 0, 0]},
        {"at": 8, "move": ["0.4m", 0, "10m"]},
    ]
    said = check(built, spec=spec)
    assert "place[rocket]" in said
    assert "to the right" in said
    assert "place[tower]" not in said


def test_a_bound_that_does_not_hold_fails_with_its_line_and_what_is_not_measured_says_why(built):
    said = check(
        built,
        spec=scene(expect={"warp_error": "< 0.0001", "silhouette_iou[tower]": ">= 0.1", "psnr_to_render": ">= 1"}),
    )
    assert re.search(r"warp_error < 0.0001 +scene\.yaml:\d+:\d+  warp_error is [0-9.]+ of 255, worst in frame \d", said)


def test_without_a_baseline_only_bounds_are_checked_unless_one_is_required(built, tmp_path):
    said = check(built, "--baseline", tmp_path, expected=0)
    assert "no baseline" in said
    assert "--update" in said
    assert "there is no baseline" in check(built, "--baseline", tmp_path, "--require-baseline")


def test_a_damaged_baseline_is_bad_usage(built, tmp_path):
    shutil.copytree(built / "baseline", tmp_path / "baseline")
    (tmp_path / "baseline" / "small" / "fingerprint.json").write_text("{")
    check(built, "--baseline", tmp_path / "baseline", expected=2)


def test_several_specs_give_one_file_and_a_bad_one_does_not_stop_the_others(built, tmp_path):
    bad = tmp_path / "bad" / "scene.yaml"
    bad.parent.mkdir()
    bad.write_text("source: nowhere.jpg\n")
    junit = tmp_path / "junit.xml"
    run = i2v3d("check", bad, built / "scene.yaml", "--junit", junit, "--progress", "lines", check=False)
    assert run.returncode == 2
    assert "small: as expected" in run.stdout
    root = ElementTree.parse(junit).getroot()
    assert_is_junit(root)
    assert [suite.get("name") for suite in root] == ["bad", "small"]
    assert [suite.get("errors") for suite in root] == ["1", "0"]


def test_the_page_shows_before_after_and_difference_and_needs_nothing_else(built, tmp_path):
    page = tmp_path / "page.html"
    check(built, "--html", page, spec=scene(camera=[{"at": 0}, {"at": 8, "zoom": 1.5}]))
    text = page.read_text(encoding="utf-8")
    assert text.count('alt="before"') == text.count('alt="difference"') == 9
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "http" not in text


def pictures_of(video):
    from i2v3d.artifacts.videos import read_pictures

    return [pixels for pixels, _ in read_pictures(video)]


def encoded(pictures, file, crf, preset="medium"):
    import av

    from i2v3d.stages.encode import planes_of

    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = context.color_range = 1
        stream.options = {"crf": str(crf), "preset": preset}
        for index, pixels in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(planes_of(pixels), format="yuv420p")
            frame.pts, frame.colorspace, frame.color_range = index, 1, 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file


@pytest.mark.parametrize(("crf", "preset"), [(16, "medium"), (23, "medium"), (28, "medium"), (23, "veryfast")])
def test_another_encoding_of_the_result_passes(built, tmp_path, crf, preset):
    pictures = pictures_of(built / "first.mp4")
    video = encoded(pictures, tmp_path / "again.mp4", crf, preset)
    assert "as expected" in check(built, "--video", video, "--html", tmp_path / "x.html", expected=0)


def test_a_video_that_lacks_a_frame_fails_and_names_it(built, tmp_path):
    pictures = pictures_of(built / "first.mp4")
    video = encoded([*pictures[:4], *pictures[5:]], tmp_path / "short.mp4", 20)
    said = check(built, "--video", video, "--html", tmp_path / "x.html")
    assert "frame 4 looks like frame 5 of the baseline: one frame was dropped before it" in said


def test_a_rig_that_lost_the_animation_of_one_bone_fails(tmp_path):
    folder = tmp_path / "field"
    shutil.copytree(ROOT / "specs" / "field", folder, ignore=shutil.ignore_patterns("out", ".i2v3d", "baseline"))
    spec = yaml.safe_load((folder / "scene.yaml").read_text(encoding="utf-8"))
    spec["output"] = {"size": [320, 320], "fps": 24, "duration": "8f"}
    spec["camera"] = [{"at": 0}]
    spec["objects"]["toy"]["place"] = {"on": "ground", "at": [0.6, 4.5]}
    del spec["objects"]["shade"]
    turn = [{"at": 0}, {"at": 8, "rotate": [0, "40deg", 0]}]
    spec["motion"] = {"toy": {"rig": "humanoid", "bones": {"upper_arm_left": turn, "head": [{"at": 0}]}}}
    file = folder / "scene.yaml"
    file.write_text(yaml.safe_dump(spec), encoding="utf-8")
    i2v3d("check", file, "--update", "--progress", "lines")
    del spec["motion"]["toy"]["bones"]["upper_arm_left"]
    file.write_text(yaml.safe_dump(spec), encoding="utf-8")
    run = i2v3d("check", file, "--progress", "lines", check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "outline[toy]" in run.stdout
    assert "outline[cameraman]" not in run.stdout
    assert "time " not in run.stdout


def assert_is_junit(root):
    """Holds a document to the schema that Jenkins publishes: names, required attributes and their types."""
    assert root.tag == "testsuites"
    numbers = {"tests", "failures", "errors", "skipped"}
    assert set(root.attrib) <= {"tests", "failures", "errors", "time", "name"}
    for suite in root:
        assert suite.tag == "testsuite"
        assert set(suite.attrib) <= numbers | {"name", "time", "file"}
        assert suite.get("name")
        assert float(suite.get("time")) >= 0
        cases = list(suite)
        assert int(suite.get("tests")) == len(cases)
        assert int(suite.get("failures")) == sum(case.find("failure") is not None for case in cases)
        assert int(suite.get("errors")) == sum(case.find("error") is not None for case in cases)
        for case in cases:
            assert case.tag == "testcase"
            assert set(case.attrib) == {"name", "classname", "time"}
            assert case.get("name") and case.get("classname")
            assert len(case) <= 1
            assert all(below.tag in ("failure", "error", "skipped", "system-out") for below in case)
            assert all(set(below.attrib) <= {"message", "type"} for below in case)
