"""When the page is written, and that it never stands in a build's way."""

import json
import re

import pytest

from tests.report.page.conftest import page_of

pytestmark = [pytest.mark.slow, pytest.mark.blender]


def test_it_is_written_beside_the_video_and_stays_small(built):
    assert built.page.is_file()
    assert 500_000 < built.page.stat().st_size < 8_000_000
    assert [file.name for file in built.out.glob(".report*")] == []


def test_a_video_that_is_too_much_for_a_page_plays_from_beside_it(built, monkeypatch):
    from i2v3d.report.page import assemble

    monkeypatch.setattr(assemble, "_MOST_PAGE_BYTES", 1000)
    page = page_of(built)
    assert 'src="video.mp4"' in page
    assert "data:video/mp4" not in page
    assert "data:video/mp4" in built.page.read_text()


def test_a_second_build_does_nothing_and_leaves_it(built):
    built.build()
    before = built.page.stat()
    assert "up to date" in built.build().stdout
    assert built.page.stat().st_mtime_ns == before.st_mtime_ns


def test_a_page_that_is_gone_is_written_again_and_no_step_runs(built):
    built.page.unlink()
    assert re.search(r"^0 steps run", built.build().stdout, re.MULTILINE)
    assert built.page.is_file()


def test_without_a_report_nothing_is_drawn_and_the_page_of_before_stays(built):
    before = built.page.read_bytes()
    said = built.build("--no-report", "--force", "encode").stdout
    assert "report.html" not in said
    assert built.page.read_bytes() == before
    assert "draw_passes" not in built.build("--no-report", "--progress", "json").stdout


def test_a_part_of_a_build_leaves_the_page_of_the_whole_alone(built):
    before = built.page.read_bytes()
    built.build("--until", "check")
    assert built.page.read_bytes() == before


def test_a_page_that_can_not_be_written_is_a_warning_and_the_build_succeeds(built):
    built.page.unlink()
    built.page.mkdir()
    (built.page / "in the way").touch()
    try:
        run = built.build()
        assert "warning: report.html could not be written" in run.stderr
        assert (built.out / "video.mp4").is_file()
    finally:
        (built.page / "in the way").unlink()
        built.page.rmdir()
    built.build()
    assert built.page.is_file()


def test_an_edit_of_the_last_frames_draws_only_what_changed(built):
    spec = built.folder / "scene.yaml"
    before = spec.read_text()
    try:
        spec.write_text(before.replace("12m", "12.2m"))
        events = [json.loads(line) for line in built.build("--progress", "json").stdout.splitlines()]
        drawn = {event["step"] for event in events if event["event"] == "StepFinished" and "draw" in event["stage"]}
        assert drawn == {"drawing_scale", "draw_scene", "draw_passes[8-12]", "draw_result[6-12]"}
    finally:
        spec.write_text(before)
        built.build()
