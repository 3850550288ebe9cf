"""The prompts of the objects as shapes over the photo, in its pixels."""

from __future__ import annotations

from dataclasses import dataclass

from i2v3d.geometry.pass_colours import object_colour
from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class ObjectMarks:
    """What the spec says of an object's outline.

    Attributes:
        colour: `#rrggbb`, the same as in the layer of objects.
        box: (left, top, width, height) or None.
        polygons: Points `x,y x,y` of each outline.
        included, excluded: Points (x, y).
        said: What was said, in words: `a box, 2 points`.
    """

    name: str
    colour: str
    box: tuple[float, float, float, float] | None
    polygons: tuple[str, ...]
    included: tuple[tuple[float, float], ...]
    excluded: tuple[tuple[float, float], ...]
    said: str


def hex_colour(rgb: tuple[int, int, int]) -> str:
    """Returns `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def object_colours(scene: Scene) -> dict[str, str]:
    """Returns the colour of each object by name; what is removed has none of its own and is grey."""
    drawn = [thing.name for thing in scene.drawn]
    return {
        thing.name: hex_colour(object_colour(drawn.index(thing.name))) if thing.name in drawn else "#8a8f98"
        for thing in scene.objects
    }


def photo_marks(scene: Scene) -> tuple[ObjectMarks, ...]:
    """Returns the marks of the objects that are in the photo."""
    colours = object_colours(scene)
    found = []
    for thing in scene.objects:
        prompts = thing.prompts
        if prompts is None:
            continue
        box = None
        if prompts.box is not None:
            left, top, right, bottom = prompts.box
            box = (left, top, right - left, bottom - top)
        points = len(prompts.include_points) + len(prompts.exclude_points)
        said = [
            *(["a box"] if box else []),
            *([_counted(points, "point")] if points else []),
            *([_counted(len(prompts.polygons), "outline")] if prompts.polygons else []),
            *(["a mask file"] if prompts.mask_file else []),
        ]
        found.append(
            ObjectMarks(
                thing.name,
                colours[thing.name],
                box,
                tuple(" ".join(f"{x:.1f},{y:.1f}" for x, y in polygon) for polygon in prompts.polygons),
                prompts.include_points,
                prompts.exclude_points,
                ", ".join(said),
            )
        )
    return tuple(found)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
