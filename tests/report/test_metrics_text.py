import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from i2v3d.artifacts.metrics import ClipMetrics, Measured, Metrics
from i2v3d.metrics.catalog import KINDS
from i2v3d.report import metrics_text


def clip(ssim: float, warp: float | None = None) -> ClipMetrics:
    measured = {
        "ssim_to_render": Measured("ssim_to_render", ssim, "higher", "", (1.0, ssim, None)),
        "camera_path_error": Measured("camera_path_error", 0.0123456, "lower", "m"),
    }
    if warp is not None:
        measured["warp_error"] = Measured("warp_error", warp, "lower", "of 255", (warp, warp + 1, None))
    return ClipMetrics(3, 24.0, measured, {"clip_i": "needs a model"})


def evaluation(**clips: ClipMetrics) -> object:
    return SimpleNamespace(clips=clips, notes={"other": ("scaled from 2x2 to 4x4",)} if len(clips) > 1 else {})


def test_a_sparkline_runs_from_the_least_to_the_largest():
    assert metrics_text.sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert metrics_text.sparkline([1.0, None, 1.0]) == "▅·▅"
    assert metrics_text.sparkline([None, None]) == ""
    assert metrics_text.sparkline([]) == ""
    assert len(metrics_text.sparkline(list(range(1000)))) == 24


def test_a_single_worst_value_of_a_long_clip_is_seen():
    values = [0.0] * 200
    values[101] = 9.0
    assert metrics_text.sparkline(values).count("█") == 1


def test_the_table_of_a_clip_says_value_direction_worst_frame_and_what_is_missing():
    text = metrics_text.metrics_text(clip(0.91234, 1.5))
    lines = text.splitlines()
    assert lines[0].split() == ["metric", "value", "better", "worst", "frame", "over", "time"]
    assert lines[1].split()[:5] == ["ssim_to_render", "0.9123", "higher", "1", "(0.9123)"]
    assert lines[2].split()[:6] == ["warp_error", "1.50", "of", "255", "lower", "1"]
    assert lines[3].startswith("camera_path_error  0.012 m")
    assert lines[-1] == "  clip_i: needs a model"


def test_a_value_too_small_for_its_decimals_is_not_shown_as_nothing():
    small = Measured("camera_path_error", 1.2e-6, "lower", "m")
    assert metrics_text.value_text(small) == "1.2e-06 m"


def test_several_clips_are_compared_and_the_best_is_marked():
    text = metrics_text.evaluation_text(evaluation(result=clip(0.95, 2.0), other=clip(0.9)))
    assert text.startswith("other: scaled from 2x2 to 4x4\n\nmetric")
    row = next(line for line in text.splitlines() if line.startswith("ssim_to_render"))
    assert row.split() == ["ssim_to_render", "higher", "0.9500", "*", "0.9000"]
    warp = next(line for line in text.splitlines() if line.startswith("warp_error"))
    assert warp.split()[-1] == "-"
    equal = next(line for line in text.splitlines() if line.startswith("camera_path_error"))
    assert "*" not in equal


def test_csv_has_the_clip_and_then_its_frames():
    rows = list(csv.reader(io.StringIO(metrics_text.evaluation_csv(evaluation(result=clip(0.9, 1.0))))))
    assert rows[0] == ["frame", "time_s", "ssim_to_render", "camera_path_error", "warp_error"]
    assert rows[1][:3] == ["", "", "0.9"]
    assert rows[3] == ["1", "0.0416666667", "0.9", "", "2"]
    assert len(rows) == 5
    many = list(csv.reader(io.StringIO(metrics_text.evaluation_csv(evaluation(result=clip(0.9), other=clip(0.8))))))
    assert many[0][:2] == ["clip", "frame"]
    assert [row[0] for row in many[1:]] == ["result"] * 4 + ["other"] * 4


def test_json_of_one_clip_is_its_metrics_file(tmp_path):
    file = Metrics(tmp_path / "metrics.json")
    file.write(clip(0.9))
    assert json.loads(metrics_text.evaluation_json(evaluation(result=clip(0.9)))) == file.read_json()
    both = json.loads(metrics_text.evaluation_json(evaluation(result=clip(0.9), other=clip(0.8))))
    assert both["clips"]["other"]["notes"] == ["scaled from 2x2 to 4x4"]


@pytest.mark.parametrize("name", KINDS)
def test_every_metric_is_explained(name):
    assert f"  {name} (" in metrics_text.explanations_text()


def test_the_readme_has_the_table_of_metrics():
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    for kind in KINDS.values():
        assert f"| `{kind.name}` | {kind.unit} | {kind.better} | {kind.explanation} |\n" in readme, kind.name
