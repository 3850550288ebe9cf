"""Prompts over the photo."""

from pathlib import Path

import pytest

from i2v3d.report.page.photo_marks import object_colours, photo_marks
from i2v3d.spec import load_scene

SPECS = Path(__file__).resolve().parents[3] / "specs"


def test_the_outline_of_a_spec_is_drawn_in_pixels_of_the_photo():
    scene = load_scene(SPECS / "rocket").scene
    (mark,) = photo_marks(scene)
    (outline,) = mark.polygons
    points = [tuple(map(float, point.split(","))) for point in outline.split()]
    assert len(points) == 17
    assert points[0] == pytest.approx((0.5039 * scene.photo.size.width, 0.2972 * scene.photo.size.height), abs=0.06)
    assert (mark.name, mark.colour, mark.box, mark.said) == ("rocket", "#ff6b35", None, "1 outline")


@pytest.mark.parametrize("file", sorted(SPECS.glob("*/scene.yaml")), ids=lambda file: file.parent.name)
def test_every_object_of_a_photo_has_marks_and_a_colour(file):
    scene = load_scene(file).scene
    seen = [thing.name for thing in scene.objects if thing.prompts is not None]
    assert [mark.name for mark in photo_marks(scene)] == seen
    assert all(mark.said for mark in photo_marks(scene))
    assert set(object_colours(scene)) == {thing.name for thing in scene.objects}
