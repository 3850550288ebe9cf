"""`camera`: the path of the camera, as keys relative to the source view, presets, or another program's file."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema

from i2v3d.spec.model.base import (
    AlsoAccepts,
    Angle,
    AsList,
    Duration,
    FilePath,
    Flag,
    Length,
    LengthVector,
    MomentField,
    Number,
    Share,
    SpecPart,
    Text,
    Word,
    documented,
    in_range,
    positive,
    wrong,
)
from i2v3d.spec.model.motion import Ease
from i2v3d.spec.model.source import Lens
from i2v3d.spec.units import ANGLE, LENGTH, SHARE, UnitError, describe, split_quantity

FILE_FORMATS = ("opencv", "opengl", "colmap", "realestate10k", "unreal", "glb", "blend")


def _target(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and len(value) == 3:
        try:
            return tuple(LENGTH.parse(item) for item in value)
        except UnitError as error:
            raise wrong(error.message, error.hint) from error
    raise wrong(f"expected an object's name or a point `[x, y, z]`, got {describe(value)}")


Target = Annotated[str | tuple[float, float, float], BeforeValidator(_target), AlsoAccepts({"type": "array"})]


def _without_sensor(value: Lens) -> Lens:
    if "sensor" in value.model_fields_set:
        raise wrong("the sensor does not change on the way", "give it in `source.camera.lens`")
    return value


def _amount(value: Any) -> Any:
    """A length, an angle, a share or a bare number, as (number in the base unit, kind)."""
    if isinstance(value, tuple):
        return value
    try:
        _, unit = split_quantity(value, "amount", "a length `1m`, an angle `30deg` or a share `30%`")
        for kind, dimension in (("length", LENGTH), ("angle", ANGLE)):
            if unit in dimension.factors:
                return dimension.parse(value), kind
        return SHARE.parse(value), "share" if unit else "bare"
    except UnitError as error:
        raise wrong(error.message, "a length `1m`, an angle `30deg` or a share `30%`") from error


Amount = Annotated[
    tuple[float, str],
    PlainValidator(_amount),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]

PRESETS = ("orbit", "arc", "push_in", "dolly", "truck", "crane", "dolly_zoom")


class Preset(SpecPart):
    """A camera move of the film set; it becomes keys. A share is of the distance to `around`."""

    short_key = "move"
    move: Annotated[str, Word(*PRESETS, label="moves")] = documented(
        ...,
        "`orbit`: round it, evenly [360deg]. `arc`: some of the way round [30deg]. `push_in`: straight towards it "
        "[30%]. `dolly`: forward on the level [30%]. `truck`: to the right [20%]. `crane`: up [20%]. "
        "`dolly_zoom`: in, while the lens widens so that it keeps its size [40%].",
        examples=("arc",),
    )
    around: Target | None = documented(
        None, "Object or world point that it is about; else the only object.", unit="m", examples=("hero",)
    )
    amount: Amount | None = documented(
        None, "How much; below 0 goes the other way.", unit="deg, m or share", examples=("30deg", "1.5m", "30%")
    )
    rise: Angle | None = documented(None, "Lift on an `orbit` or `arc`.", unit="deg", examples=("10deg",))
    start: MomentField | None = documented(
        None,
        "When it starts: at the start, or where the move above ends.",
        unit="frame, s or %",
        examples=("0.5s",),
        alias="from",
    )
    end: MomentField | None = documented(
        None, "When it ends: at the end of the clip.", unit="frame, s or %", examples=("2s",), alias="to"
    )
    ease: Ease | None = documented(None, "Easing; `linear` for an orbit, else `in_out`.", examples=("in_out_cubic",))


class Orbit(SpecPart):
    """A turn about a point."""

    around: Target | None = documented(
        None, "Object or world point; as at the key before, else the only object.", unit="m", examples=("rocket",)
    )
    azimuth: Angle | None = documented(None, "Travel to the right, seen from above.", unit="deg", examples=("15deg",))
    elevation: Angle | None = documented(None, "Lift over the point.", unit="deg", examples=("10deg",))
    distance: Annotated[Number, AfterValidator(positive)] | None = documented(
        None, "Factor on the distance.", examples=(0.8,)
    )


class CameraKey(SpecPart):
    """A key of the camera path. What is left out stays as at the key before; the first starts at the source view."""

    at: MomentField = documented(..., "When.", unit="frame, s or %", examples=("2.5s", 12, "50%"))
    orbit: Orbit | None = documented(None, Orbit.__doc__ or "", examples=({"around": "rocket", "azimuth": "15deg"},))
    move: LengthVector | None = documented(
        None, "Way from the source view, world axes.", unit="m", examples=([1, 0, 0],)
    )
    dolly: Length | None = documented(None, "Forward, level.", unit="m", examples=("2m",))
    pan: Angle | None = documented(None, "Turn to the right.", unit="deg", examples=("10deg",))
    tilt: Angle | None = documented(None, "Turn upwards.", unit="deg", examples=("5deg",))
    roll: Angle | None = documented(None, "Turn about the view, clockwise.", unit="deg", examples=("3deg",))
    look_at: Target | None = documented(
        None, "Object or world point that stays in the middle.", unit="m", examples=("rocket",)
    )
    zoom: Annotated[Number, in_range(0.05, 50)] | None = documented(
        None, "Factor on the focal length.", examples=(1.2,)
    )
    lens: Annotated[Lens, AfterValidator(_without_sensor)] | None = documented(
        None, "Instead of `zoom`: the focal length, on the source camera's sensor.", unit="m", examples=("50mm",)
    )
    keep_size: Target | None = documented(
        None, "Object or world point whose size the zoom keeps, on the whole path.", unit="m", examples=("hero",)
    )
    ease: Ease = documented("linear", "Easing of the interval that ends here.", examples=("in_out",))


def _listed_presets(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else [value]


class Follow(SpecPart):
    """A camera that follows an object, on top of keys or a preset."""

    short_key = "object"
    object: Text = documented(..., "The object.", examples=("hero",))
    lag: Annotated[Duration, in_range(0, 60)] = documented(0.2, "How late it follows.", unit="s", examples=("0.2s",))
    by: Annotated[str, Word("moving", "turning")] = documented(
        "moving", "`moving`: it travels as the object does. `turning`: it stays and turns.", examples=("turning",)
    )


class Handheld(SpecPart):
    """A hand's small shake, from the scene's seed, on top of everything else; the first frame stays as it is."""

    short_key = "amount"
    amount: Annotated[Share, in_range(0, 10)] = documented(
        1.0, "Size of the shake; 1 turns by up to 0.23 degrees and moves by up to 6 mm.", examples=(1.0,)
    )
    frequency: Annotated[Number, in_range(0.1, 30)] = documented(1.5, "Shakes a second.", unit="1/s", examples=(1.5,))


class PathFile(SpecPart):
    """A camera path from another program, spread over the clip: its first camera is at the first frame."""

    short_key = "path"
    path: FilePath = documented(..., "The file; for COLMAP `images.txt`.", examples=("path.json",))
    format: Annotated[str, Word(*FILE_FORMATS, label="formats")] | None = documented(
        None, "What it is; else told from its name and content.", examples=("colmap",)
    )
    relative: Flag = documented(
        True, "The first camera takes the source view's place; false: poses are the world's.", examples=(False,)
    )
    scale: Annotated[Number, AfterValidator(positive)] = documented(
        1.0, "Metres that one unit of the path is.", unit="m", examples=(0.1,)
    )
    camera: Text = documented("", "Which camera, when it has several.", examples=("Camera",))


class Through(SpecPart):
    """A flight through the views that the reconstruction used."""

    short_key = "views"
    views: Text = documented(
        "views", "`views`: the background's, or else the only object's; or an object's name.", examples=("hero",)
    )
    reach: Annotated[Share, in_range(0.01, 1)] = documented(
        1.0, "How much of the way from the photo's view to each of them.", examples=("50%",)
    )


def _focus_target(value: Any) -> Any:
    """An object's name, a point, or a distance as a number in metres."""
    try:
        return LENGTH.parse(value)
    except UnitError:
        return _target(value)


FocusTarget = Annotated[
    str | float | tuple[float, float, float],
    PlainValidator(_focus_target),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "array"}]}),
]


class FocusKey(SpecPart):
    """A key of the focus: what is sharp from when on."""

    at: MomentField = documented(..., "When.", unit="frame, s or %", examples=("1s",))
    on: FocusTarget = documented(..., "Object, world point, or distance.", unit="m", examples=("hero", "2.5m"))
    ease: Ease = documented("linear", "Easing of the interval that ends here.", examples=("in_out",))


def _focus_keys(value: Any) -> Any:
    is_keys = isinstance(value, list) and all(isinstance(item, dict) for item in value)
    return value if value is None or is_keys else [{"at": 0, "on": value}]


class DepthOfField(SpecPart):
    """A lens that is sharp at one distance only."""

    f_stop: Annotated[Number, in_range(0.001, 128)] = documented(
        2.8, "Aperture; far below 1 blurs scenes that are larger than a room.", examples=(2.8,)
    )
    focus: Annotated[
        list[FocusKey] | None,
        BeforeValidator(_focus_keys),
        AlsoAccepts({"type": "string"}, {"type": "number"}, {"type": "array"}),
    ] = documented(
        None,
        "What is sharp: an object, a world point, a distance, or keys of these; else the only object.",
        unit="m",
        examples=("hero", "2.5m", [{"at": "0s", "on": "hero"}, {"at": "2s", "on": "cup", "ease": "in_out"}]),
    )


def _depth_of_field(value: Any) -> Any:
    return None if value in ("off", "none") else value


class Camera(SpecPart):
    """The camera path: a list of keys, or a mapping of keys or a preset or a file, with what goes on top."""

    short_key = "keys"
    keys: Annotated[list[CameraKey], AsList] = documented(
        [], "Keys of the path.", examples=([{"at": "2.5s", "zoom": 1.2}],)
    )
    preset: Annotated[list[Preset], BeforeValidator(_listed_presets)] = documented(
        [],
        "A move, or a list of moves one after the other.",
        examples=("push_in", {"move": "arc", "around": "hero", "amount": "30deg"}),
    )
    follow: Follow | None = documented(None, Follow.__doc__ or "", examples=("hero",))
    handheld: Handheld | None = documented(None, Handheld.__doc__ or "", examples=(1.0,))
    through: Through | None = documented(None, Through.__doc__ or "", examples=("views",))
    file: PathFile | None = documented(None, PathFile.__doc__ or "", examples=("path.json",))
    depth_of_field: Annotated[
        DepthOfField | None, BeforeValidator(_depth_of_field), AlsoAccepts({"enum": ["off", "none"]})
    ] = documented(None, "Off.", examples=("off",))
