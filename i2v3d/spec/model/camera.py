"""`camera`: the path of the camera, as keys relative to the source view."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from i2v3d.spec.model.base import (
    AlsoAccepts,
    Angle,
    AsList,
    Duration,
    FilePath,
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
from i2v3d.spec.units import LENGTH, UnitError, describe


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
    ease: Ease = documented("linear", "Easing of the interval that ends here.", examples=("in_out",))


class Follow(SpecPart):
    """A camera that follows an object."""

    short_key = "object"
    object: Text = documented(..., "The object.", examples=("hero",))
    lag: Annotated[Duration, in_range(0, 60)] = documented(0.2, "How late it follows.", unit="s", examples=("0.2s",))


class Handheld(SpecPart):
    """A hand's small shake, from the scene's seed."""

    short_key = "amount"
    amount: Annotated[Share, in_range(0, 10)] = documented(1.0, "Size of the shake.", examples=(1.0,))
    frequency: Annotated[Number, in_range(0.1, 30)] = documented(1.5, "Shakes a second.", unit="1/s", examples=(1.5,))


class Camera(SpecPart):
    """The camera path: a list of keys, or a mapping with further forms."""

    short_key = "keys"
    keys: Annotated[list[CameraKey], AsList] = documented(
        [], "Keys of the path.", examples=([{"at": "2.5s", "zoom": 1.2}],)
    )
    follow: Follow | None = documented(None, Follow.__doc__ or "", examples=("hero",))
    handheld: Handheld | None = documented(None, Handheld.__doc__ or "", examples=(1.0,))
    through: Annotated[str, Word("views")] | None = documented(
        None, "Through the views used in reconstruction.", examples=("views",)
    )
    file: FilePath | None = documented(None, "A camera path from another program.", examples=("path.json",))
