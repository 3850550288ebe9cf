"""What a scene's graph delivers."""

import shutil
from pathlib import Path

import pytest

from i2v3d.compile.scene import REPORT_STAGES, compile_scene
from i2v3d.spec import load_scene
from i2v3d.stages import load_stages

SPECS = Path(__file__).resolve().parents[2] / "specs"


@pytest.fixture(scope="module")
def graph_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene") / "chelsea"
    shutil.copytree(SPECS / "chelsea", folder, ignore=shutil.ignore_patterns("out", ".i2v3d", "baseline"))
    return lambda *overrides: compile_scene(load_scene(folder, overrides=overrides).scene, load_stages())


def places(graph):
    return {item.path for item in graph.deliverables}


def test_other_formats_are_steps_and_deliverables_of_their_own(graph_of):
    usual, more = graph_of(), graph_of("output.formats=[webm, gif, png]")
    assert set(more.nodes) - set(usual.nodes) == {"encode[webm]", "encode[gif]"}
    assert places(more) - places(usual) == {"video.webm", "video.gif", *(f"frames/{i:06d}.png" for i in range(61))}


def test_every_finished_frame_is_delivered_once_from_its_interval(graph_of):
    graph = graph_of("output.formats=[png]", "keyframes.every=25")
    frames = {item.path: item.ref for item in graph.deliverables if item.path.startswith("frames/")}
    assert sorted(frames) == [f"frames/{index:06d}.png" for index in range(61)]
    found = {
        index: (frames[f"frames/{index:06d}.png"].node, frames[f"frames/{index:06d}.png"].start) for index in (25, 60)
    }
    assert found == {25: ("interpolate[25-50]", 0), 60: ("interpolate[50-60]", 10)}


def test_without_the_report_the_graph_delivers_the_same(graph_of):
    whole = graph_of()
    plain = whole.without(REPORT_STAGES)
    assert {node.stage for node in whole.nodes.values()} - {node.stage for node in plain.nodes.values()} == set(
        REPORT_STAGES
    )
    assert (plain.deliverables, plain.places) == (whole.deliverables, whole.places)
