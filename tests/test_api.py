"""The Python API without a build; with one see tests/end_to_end/test_notebook.py."""

from __future__ import annotations

import html.parser
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import i2v3d
from i2v3d.artifacts.metrics import ClipMetrics, Measured
from i2v3d.plan.make import Plan, PlannedStep
from i2v3d.report import notebook

ROCKET = Path(__file__).resolve().parents[1] / "specs" / "rocket"


@pytest.fixture
def rocket(tmp_path):
    folder = tmp_path / "rocket"
    shutil.copytree(ROCKET, folder, ignore=shutil.ignore_patterns("out", ".i2v3d"))
    return folder


class Checker(html.parser.HTMLParser):
    """Collects tags and text, and that every tag is closed in turn."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self._open = [], [], []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_importing_the_package_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import i2v3d; print(sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['i2v3d']"


def test_what_the_package_offers_is_there_and_nothing_else_is_promised():
    for name in i2v3d.__all__:
        assert getattr(i2v3d, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        _ = i2v3d.lode


def test_a_spec_is_loaded_from_the_working_folder_and_stays_found_when_that_changes(rocket, monkeypatch):
    monkeypatch.chdir(rocket.parent)
    shot = i2v3d.load("rocket", out="results")
    assert shot.name == "rocket"
    monkeypatch.chdir("/")
    assert shot.out_dir == rocket.parent / "results"
    assert not shot.plan().is_up_to_date
    assert shot.set(seed=2).scene.seed == 2


def test_overrides_make_a_new_shot_and_leave_the_first_alone(rocket):
    shot = i2v3d.load(rocket, set={"output.duration": "3s"})
    other = shot.set({"output.fps": 12, "output.size": (256, 144)}, seed=7)
    assert (shot.scene.output.frame_count, shot.scene.output.fps) == (73, 24)
    assert (other.scene.output.frame_count, other.scene.output.fps, other.scene.seed) == (37, 12, 7)
    assert shot.set("seed=3").scene.seed == 3
    assert shot.set(["seed=3", "seed=4"]).scene.seed == 4
    assert repr(other) == "<i2v3d.Shot rocket: 37 frames of 256x144 at 12 fps>"


def test_values_of_a_notebook_become_values_of_a_spec(rocket):
    shot = i2v3d.load(rocket)
    assert shot.set({"output.size": np.array([256, 144])}).scene.output.size.width == 256
    assert shot.set({"seed": np.int64(5)}).scene.seed == 5
    assert shot.set({"customize.lr": 1e-5}).scene.generation.customization.learning_rate == 1e-5
    assert shot.set({"source.image": Path("rocket.jpg")}).name == "rocket"
    awkward = 'a: "b" #{x}\n\u2028 \U0001f680'
    assert shot.set({"source.prompt": awkward}).scene.photo.prompt.split() == awkward.split()


@pytest.mark.parametrize("value", [float("nan"), np.float32("inf"), object()])
def test_a_value_that_no_spec_can_have_is_refused(rocket, value):
    with pytest.raises(i2v3d.UsageError, match=r"output.fps: .* can't be written in a spec"):
        i2v3d.load(rocket, set={"output.fps": value})


def test_an_error_says_all_that_the_command_line_says(rocket):
    spec = rocket / "scene.yaml"
    spec.write_text(spec.read_text().replace("mesh: lathe", "mehs: lathe"))
    with pytest.raises(i2v3d.SpecError) as found:
        i2v3d.load(rocket)
    text = str(found.value)
    assert f"scene.yaml:{text.split(':')[1]}:5  objects.rocket.mehs: unknown key `mehs`" in text
    assert "did you mean `mesh`" in text
    assert "mehs: lathe" in text.splitlines()[1]


def test_a_missing_spec_is_told_with_what_to_do(tmp_path):
    with pytest.raises(i2v3d.UsageError, match="there is no such spec\n  make a starter"):
        i2v3d.load(tmp_path / "none.yaml")


def test_other_options_are_those_of_the_command_line(rocket):
    shot = i2v3d.load(rocket)
    assert shot.with_(profile="paper").scene.profile == "paper"
    assert shot.with_(out="elsewhere").out_dir == Path.cwd() / "elsewhere"
    with pytest.raises(TypeError, match="colour"):
        shot.with_(colour="red")


def test_a_plan_shows_itself_as_text_and_as_a_table(rocket):
    plan = i2v3d.load(rocket, cache=rocket / "store").plan()
    assert "render[0]" in repr(plan)
    page = Checker(plan._repr_html_())
    assert ("table", {}) in page.tags
    assert any("render[1]" in text for text in page.texts)
    assert next(iter(plan.steps)) == "prepare"


def test_names_and_reasons_are_escaped_in_pages(tmp_path):
    evil = '<script>alert("x")</script>'
    step = PlannedStep(evil, evil, "will_run", (evil,))
    metrics = ClipMetrics(1, 24.0, {evil: Measured(evil, 0.5, "higher", evil, (0.5,))})
    video = tmp_path / '"><script>.mp4'
    video.write_bytes(b"video")
    pages = (
        notebook.plan_html(Plan(evil, {evil: step})),
        notebook.build_html(evil, evil, {evil: video}, metrics, video),
    )
    for page in pages:
        assert "<script" not in page
        assert "script" not in {tag for tag, _ in Checker(page).tags}


def test_a_large_video_is_linked_to_and_a_small_one_is_in_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "video.mp4").write_bytes(b"video")
    page = Checker(notebook.build_html("x", "", {"video": tmp_path / "video.mp4"}, None, None))
    assert [tag["src"] for name, tag in page.tags if name == "video"] == ["data:video/mp4;base64,dmlkZW8="]
    monkeypatch.setattr(notebook, "INLINE_BYTES", 4)
    page = Checker(notebook.build_html("x", "", {"video": tmp_path / "video.mp4"}, None, None))
    assert "video" not in {name for name, _ in page.tags}
    assert [tag["href"] for name, tag in page.tags if name == "a"] == ["video.mp4"]


def test_metrics_are_a_table(tmp_path):
    measured = Measured("seam_jump", 1.25, "lower", "of 255", (0.5, 1.25))
    page = Checker(notebook.build_html("x", "", {}, ClipMetrics(2, 24.0, {"seam_jump": measured}), None))
    assert [text for text in page.texts if text.strip()][-4:] == ["seam_jump", "1.25 of 255", "lower", "1"]
