"""`source` and `output`: the photo, the camera that took it, and the clip to make."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, PlainValidator, WithJsonSchema

from i2v3d.spec.model.base import (
    AlsoAccepts,
    Angle,
    AsList,
    FilePath,
    Flag,
    Length,
    Number,
    PointPair,
    SpecPart,
    Text,
    Word,
    documented,
    in_range,
    positive,
    wrong,
)
from i2v3d.spec.units import Moment, UnitError, describe, parse_moment


def _fov(value: float) -> float:
    degrees = math.degrees(value)
    if not 1 <= degrees <= 170:
        side = "above 170" if degrees > 170 else "below 1"
        raise wrong(f"{degrees:g} deg is {side}", "give degrees, horizontal, for example `50deg`")
    return value


def _size(value: Any) -> Any:
    if isinstance(value, str):
        match = re.fullmatch(r"\s*([0-9]+)\s*[xX]\s*([0-9]+)\s*", value)
        value = [int(match.group(1)), int(match.group(2))] if match else value
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise wrong(f"expected a size `[width, height]`, got {describe(value)}", "for example `[1024, 576]`")
    for side in value:
        if isinstance(side, bool) or not isinstance(side, int):
            raise wrong(f"{describe(side)} is not a size in pixels", "for example `[1024, 576]`")
        if not 64 <= side <= 8192:
            raise wrong(f"{side} pixels is {'below 64' if side < 64 else 'above 8192'}", "give 64 to 8192")
        if side % 2:
            raise wrong(f"{side} is odd, and H.264 needs even sizes", f"give {side - 1} or {side + 1}")
    return tuple(value)


def _duration(value: Any) -> Any:
    """Seconds as a number with unit, or frames as `60f`, kept as a Moment."""
    if isinstance(value, Moment):
        return value
    try:
        moment = parse_moment(f"{value}s" if isinstance(value, int | float) and not isinstance(value, bool) else value)
    except UnitError as error:
        raise wrong(error.message, "a duration is seconds `2.5s` or frames `60f`") from error
    if moment.unit == "share":
        raise wrong("a share is not a duration", "give seconds `2.5s` or frames `60f`")
    if moment.value <= 0:
        raise wrong(f"a duration of {moment} has no frames", "give more than 0: the shortest clip has two frames")
    return moment


class Lens(SpecPart):
    """A lens as photographers say it; the sensor's width counts for the whole photo."""

    short_key = "focal"
    focal: Annotated[Length, in_range(0.001, 5, "give the focal length with its unit, for example `35mm`")] = (
        documented(..., "Focal length.", unit="m", examples=("35mm",))
    )
    sensor: Annotated[Length, in_range(0.001, 1, "give the sensor's width with its unit, for example `36mm`")] = (
        documented(0.036, "Width of the sensor.", unit="m", examples=("36mm",))
    )

    @property
    def fov_rad(self) -> float:
        """Horizontal field of view in radians."""
        return 2 * math.atan(self.sensor / 2 / self.focal)


class SourceCamera(SpecPart):
    """The camera that took the photo."""

    fov: Annotated[Angle, AfterValidator(_fov)] | None = documented(
        None, "Horizontal field of view; read from EXIF, else 50deg.", unit="deg", examples=("40deg",)
    )
    lens: Lens | None = documented(
        None, "Instead of `fov`: focal length and width of the sensor.", examples=({"focal": "35mm", "sensor": "36mm"},)
    )
    height: Annotated[Length, AfterValidator(positive)] = documented(
        1.6, "Height of the camera above the ground.", unit="m", examples=("1.6m",)
    )
    pitch: Annotated[Angle, in_range(-math.pi / 2, math.pi / 2, "give -90 to 90 degrees")] | None = documented(
        None, "Tilt from the horizon, up is positive; or give `background.horizon`.", unit="deg", examples=("-10deg",)
    )


class Source(SpecPart):
    """The photo that the video starts from."""

    short_key = "image"
    image: FilePath = documented(..., "The photo, relative to the file that names it.", examples=("photo.jpg",))
    prompt: Text = documented("", "What the photo shows, for generative backends.", examples=("a rocket at dusk",))
    camera: SourceCamera = documented(
        SourceCamera.model_construct(), "The camera that took the photo.", examples=({"fov": "40deg"},)
    )
    framing: Annotated[str, Word("center", "top", "bottom", "left", "right", centre="center")] = documented(
        "center", "Which part of the photo stays when its shape is not the output's.", examples=("bottom",)
    )
    focus: PointPair | None = documented(
        None, "Instead of `framing`: the photo point that the picture is centred on.", examples=([0.6, 0.4],)
    )


_DURATION_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[0-9.]+\s*(s|ms|min|f|frames?)?\s*$"}]}
)
_SIZE_TEXT = {"type": "string", "pattern": r"^\s*[0-9]+\s*[xX]\s*[0-9]+\s*$"}
OUTPUT_FORMATS = ("mp4", "webm", "gif", "png")


class Output(SpecPart):
    """The clip to make."""

    size: Annotated[tuple[int, int], BeforeValidator(_size), AlsoAccepts(_SIZE_TEXT)] | None = documented(
        None, "Width and height, even; the photo's own, rounded down.", unit="px", examples=([1024, 576],)
    )
    fps: Annotated[Number, in_range(1, 240)] = documented(24.0, "Frames a second.", unit="1/s", examples=(24,))
    duration: Annotated[Moment, PlainValidator(_duration), PlainSerializer(Moment.as_written), _DURATION_SCHEMA] = (
        documented(
            Moment(2.5, "s"),
            "Length of the clip; it has this many frames plus one.",
            unit="s",
            examples=("2.5s", "60f"),
        )
    )
    loop: Flag = documented(False, "The end is meant to meet the start; `validate --deep` checks it.", examples=(True,))
    formats: Annotated[list[Annotated[str, Word(*OUTPUT_FORMATS)]], AsList] = documented(
        ["mp4"],
        "Files to write: `mp4` in any case, `webm` (VP9), `gif` (640 px wide at most), `png` (every frame).",
        examples=(["mp4", "gif"],),
    )
