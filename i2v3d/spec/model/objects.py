"""`objects`: what is in the scene, how it is cut out of the photo, and how it gets depth."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from i2v3d.spec.model.base import (
    AlsoAccepts,
    Angle,
    AsList,
    BoxEdges,
    Count,
    FilePath,
    Flag,
    Length,
    LengthVector,
    Number,
    NumberVector,
    PointPair,
    RowField,
    SpecPart,
    Text,
    Word,
    documented,
    in_range,
    positive,
    wrong,
)
from i2v3d.spec.suggest import hint_for
from i2v3d.spec.units import describe

_HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\Z")
MESH_FORMS = ("inflate", "lathe", "card", "box", "file", "text", "model")
MESH_MODELS = ("instantmesh", "triposr", "zero123plus", "trellis", "trellis2", "hunyuan3d", "sf3d", "sam3d")


def _polygon(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise wrong(f"expected a list of points, got {describe(value)}", "for example `[[10, 10], [90, 10], [50, 80]]`")
    if len(value) < 3:
        raise wrong(f"a polygon of {len(value)} points has no inside", "give three points or more")
    return value


Polygon = Annotated[list[PointPair], BeforeValidator(_polygon)]


def _polygons(value: Any) -> Any:
    """One polygon (a list of points) stands for a list of one."""
    if not isinstance(value, list | tuple):
        raise wrong(f"expected a polygon, got {describe(value)}", "for example `[[10, 10], [90, 10], [50, 80]]`")
    is_one = isinstance(value, list | tuple) and value and isinstance(value[0], list | tuple)
    if is_one and value[0] and not isinstance(value[0][0], list | tuple):
        return [value]
    return value


_POINT_LIST = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
Polygons = Annotated[list[Polygon], BeforeValidator(_polygons), AlsoAccepts(_POINT_LIST)]


class Points(SpecPart):
    """Points on the thing and beside it."""

    short_key = "include"
    include: Annotated[list[PointPair], AsList] = documented([], "Points on the thing.", examples=([[0.5, 0.4]],))
    exclude: Annotated[list[PointPair], AsList] = documented(
        [], "Points that are not the thing.", examples=([[0.1, 0.9]],)
    )


class Segment(SpecPart):
    """The outline of a thing in the photo. Several kinds are combined.

    Coordinates are pixels of the photo, or shares of its width and height when all of one kind are <= 1.
    """

    box: BoxEdges | None = documented(
        None, "[left, top, right, bottom] around the thing.", unit="px or share", examples=([0.6, 0.28, 0.66, 0.97],)
    )
    points: Points | None = documented(
        None, "Points on it, or {include, exclude}.", unit="px or share", examples=([[0.5, 0.4]],)
    )
    polygon: Polygons | None = documented(
        None,
        "Rough outline (three points or more), or several.",
        unit="px or share",
        examples=([[10, 10], [90, 10], [50, 80]],),
    )
    mask: FilePath | None = documented(None, "Mask picture, white is the thing.", examples=("mask.png",))
    band: Annotated[Number, in_range(0, 500)] | None = documented(
        None,
        "Half width of the band where the outline is searched; 8 at 1024 px width.",
        unit="output px",
        examples=(8,),
    )
    soft: Annotated[Number, in_range(0, 500)] | None = documented(
        None, "Half width of the band where the edge may be soft; 4 at 1024 px width.", unit="output px", examples=(4,)
    )

    short_schemas = ({"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},)

    @classmethod
    def shorten(cls, value: Any) -> Any:
        """Takes four numbers as a box."""
        is_box = isinstance(value, list | tuple) and len(value) == 4 and not isinstance(value[0], list | tuple)
        return {"box": value} if is_box else value


class InflateForm(SpecPart):
    """A relief blown up from the outline, closed at the back."""

    thickness: Annotated[Number, in_range(0.01, 4)] = documented(
        0.6, "Depth as a share of the smaller extent.", examples=(0.6,)
    )
    back: Annotated[str, Word("mirror", "smooth")] = documented(
        "mirror", "What the unseen back shows: the front mirrored, or its colours smoothed.", examples=("smooth",)
    )


class LatheForm(SpecPart):
    """A surface of revolution about the outline's middle line."""

    segments: Annotated[Count, in_range(8, 512)] = documented(64, "Facets around the axis.", examples=(64,))


class CardForm(SpecPart):
    """A flat picture that stands where the thing stands."""


class BoxForm(SpecPart):
    """A cuboid behind the outline."""

    depth: Annotated[Length, AfterValidator(positive)] | None = documented(
        None, "Depth of the cuboid; as deep as wide.", unit="m", examples=("2m",)
    )


class TextForm(SpecPart):
    """Letters with depth."""

    short_key = "content"
    content: Text = documented(..., "The letters.", examples=("HELLO",))
    font: FilePath | None = documented(None, "A .ttf or .otf file.", examples=("font.ttf",))
    depth: Annotated[Length, AfterValidator(positive)] | None = documented(None, "Depth.", unit="m", examples=("0.1m",))


class Mesh(SpecPart):
    """How a thing gets depth: a word (`lathe`), a form with options, a file, or a model's name."""

    one_of = MESH_FORMS
    short_schemas = ({"enum": [*MESH_FORMS[:4], *MESH_MODELS]},)
    inflate: InflateForm | None = documented(None, InflateForm.__doc__ or "", examples=({"thickness": 0.6},))
    lathe: LatheForm | None = documented(None, LatheForm.__doc__ or "", examples=({"segments": 64},))
    card: CardForm | None = documented(None, CardForm.__doc__ or "", examples=({},))
    box: BoxForm | None = documented(None, BoxForm.__doc__ or "", examples=({"depth": "2m"},))
    file: FilePath | None = documented(None, "A .glb, .gltf, .obj, .ply, .stl or .fbx file.", examples=("flag.glb",))
    text: TextForm | None = documented(None, TextForm.__doc__ or "", examples=("HELLO",))
    model: Annotated[str, Word(*MESH_MODELS)] | None = documented(
        None, "A model that makes the mesh.", examples=("instantmesh",)
    )

    @classmethod
    def shorten(cls, value: Any) -> Any:
        """Takes `lathe` as {lathe: {}} and `instantmesh` as {model: instantmesh}."""
        if isinstance(value, dict):
            return {key: {} if item is None and key in MESH_FORMS[:4] else item for key, item in value.items()}
        if not isinstance(value, str):
            return value
        if value in MESH_FORMS[:4]:
            return {value: {}}
        if value in MESH_MODELS:
            return {"model": value}
        known = (*MESH_FORMS[:4], *MESH_MODELS)
        if value.lower().endswith((".glb", ".gltf", ".obj", ".ply", ".stl", ".fbx")):
            raise wrong(f"`{value}` is not a form of mesh", f"for a file write `mesh: {{file: {value}}}`")
        raise wrong(f"`{value}` is not a form of mesh", hint_for(value, known, label="forms"))


def _two_or_three(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) not in (2, 3):
        raise wrong(f"expected a place `[x, y]` or `[x, y, z]`, got {describe(value)}")
    return list(value)


class Place(SpecPart):
    """Where an added or copied object stands."""

    at: Annotated[list[Length], BeforeValidator(_two_or_three)] | None = documented(
        None,
        "[x, y] or [x, y, z], world axes; for a copy relative to the original, with `on: OBJECT` to that.",
        unit="m",
        examples=(["40m", 0, 0],),
    )
    on: Text | None = documented(None, "`ground`, `table`, or the name of an object to stand on.", examples=("ground",))
    turn: Angle = documented(0.0, "Turn about the vertical.", unit="deg", examples=("90deg",))


def _colour(value: str) -> str:
    if not _HEX_COLOUR.match(value):
        raise wrong(f"`{value}` is not a colour", "give red, green and blue as `#ffcc88`")
    return value


def _factors(value: Any) -> Any:
    if not all(factor > 0 for factor in value):
        raise wrong("a size factor must be above 0", "for example [1, 1, 1.2]")
    return value


class Material(SpecPart):
    """An edit of an object's colours."""

    tint: Annotated[Text, AfterValidator(_colour)] | None = documented(
        None, "A colour that multiplies the texture.", examples=("#ffcc88",)
    )
    image: FilePath | None = documented(None, "A picture that replaces the texture.", examples=("paint.png",))


class ShapeEdit(SpecPart):
    """An edit of an object's geometry."""

    part: Annotated[str, Word("top", "bottom", "left", "right")] | None = documented(
        None, "Which part: `top`, `bottom`, `left`, `right`; all of it.", examples=("top",)
    )
    scale: Annotated[NumberVector, AfterValidator(_factors)] | None = documented(
        None, "Factor per axis.", examples=([1, 1, 1.2],)
    )
    bend: Angle | None = documented(None, "Bend along the height.", unit="deg", examples=("20deg",))
    twist: Angle | None = documented(None, "Twist about the vertical.", unit="deg", examples=("45deg",))
    displace: FilePath | None = documented(None, "Height picture, white is outwards.", examples=("bumps.png",))
    amount: Annotated[Length, AfterValidator(positive)] | None = documented(
        None, "How far white of `displace` goes out; a twentieth of the height.", unit="m", examples=("5cm",)
    )


class Replacement(SpecPart):
    """What stands in an object's place, fitted to its box."""

    short_key = "object"
    one_of = ("object", "file")
    object: Text | None = documented(None, "Another object's name.", examples=("twin",))
    file: FilePath | None = documented(None, "A mesh file.", examples=("statue.glb",))


class Parent(SpecPart):
    """What an object hangs on."""

    short_key = "to"
    to: Text = documented(..., "Object or bone.", examples=("hero.hand_right", "table"))
    grip: Flag = documented(
        False, "Puts the object's pivot into the bone's grip; else it keeps its place from it.", examples=(True,)
    )


class SceneObject(SpecPart):
    """A thing of the scene: cut out of the photo (`segment`), a `copy`, or added (`mesh` and `place`)."""

    segment: Segment | None = documented(None, Segment.__doc__ or "", examples=({"box": [0.6, 0.28, 0.66, 0.97]},))
    copy_of: Text | None = documented(None, "Name of the object to copy.", alias="copy", examples=("rocket",))
    replace: Replacement | None = documented(None, Replacement.__doc__ or "", examples=("twin",))
    remove: Flag = documented(False, "True takes the thing out of the picture.", examples=(True,))
    mesh: Mesh | None = documented(None, Mesh.__doc__ or "", examples=("inflate", {"file": "flag.glb"}))
    place: Place | None = documented(None, Place.__doc__ or "", examples=({"at": [5, 30]},))
    parent: Parent | None = documented(
        None, "Object or bone (`hero.hand_right`) it hangs on.", examples=("hero.hand_right",)
    )
    class_name: Text = documented(
        "",
        "What it is, for generative backends (`a {class}`); its name where left out.",
        alias="class",
        examples=("rocket",),
    )
    height: Annotated[Length, AfterValidator(positive)] | None = documented(
        None, "Real height; it makes the scene metric.", unit="m", examples=("70m",)
    )
    pivot: LengthVector = documented(
        (0.0, 0.0, 0.0), "Pivot from the centre of the base, object axes.", unit="m", examples=([0, 0, "0.5m"],)
    )
    contact: RowField | None = documented(
        None, "Photo row where it meets the ground; its lowest row.", unit="px or share", examples=("96%",)
    )
    stands: Flag | None = documented(
        None, "Stands on the ground; false for what floats or is cut by the frame.", examples=(False,)
    )
    distance: Annotated[Length, AfterValidator(positive)] | None = documented(
        None, "Distance of what does not stand on the ground.", unit="m", examples=("2m",)
    )
    material: Material | None = documented(None, Material.__doc__ or "", examples=({"tint": "#ffcc88"},))
    shape: ShapeEdit | None = documented(None, ShapeEdit.__doc__ or "", examples=({"twist": "45deg"},))
