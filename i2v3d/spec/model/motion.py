"""`motion` and `simulate`: how objects move, by keys, by rigs and clips, or by physics."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from i2v3d.spec.model.base import (
    AlsoAccepts,
    Angle,
    AngleVector,
    AsList,
    AsMapping,
    Count,
    Duration,
    FilePath,
    Flag,
    LengthVector,
    Mass,
    MomentField,
    Number,
    PointPair,
    Share,
    SpecPart,
    Text,
    Word,
    documented,
    in_range,
    positive,
    wrong,
)
from i2v3d.spec.resolved import EASINGS
from i2v3d.spec.units import describe

EASE_ALIASES = {"in": "in_sine", "out": "out_sine", "in_out": "in_out_sine", "ease": "in_out_sine"}
Ease = Annotated[str, Word(*EASINGS, label="easings", **EASE_ALIASES)]
AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
RIGS = ("humanoid", "quadruped", "bird", "fish", "snake", "vehicle", "hinge")


def _axis(value: Any) -> Any:
    vector = AXES.get(value, value) if isinstance(value, str) else value
    if not isinstance(vector, list | tuple) or len(vector) != 3:
        raise wrong(f"expected an axis, got {describe(value)}", "give x, y, z or `[x, y, z]`")
    if not any(vector):
        raise wrong("the axis has no direction", "give x, y, z or `[x, y, z]`")
    return tuple(vector)


def _scale(value: Any) -> Any:
    vector = (value,) * 3 if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(vector, list | tuple) or len(vector) != 3:
        raise wrong(f"expected a factor, got {describe(value)}", "give one factor or `[x, y, z]`")
    return tuple(vector)


Scale = Annotated[tuple[Number, Number, Number], BeforeValidator(_scale), AlsoAccepts({"type": "number"})]
Axis = Annotated[tuple[Number, Number, Number], BeforeValidator(_axis), AlsoAccepts({"enum": ["x", "y", "z"]})]


def _two_corners(value: Any) -> Any:
    if len(value) != 2 or not all(low <= high for low, high in zip(*value, strict=True)):
        raise wrong("expected the low and the high corner of a box", "give `[[x, y, z], [x, y, z]]`, the low one first")
    return value


class MotionKey(SpecPart):
    """A key of a motion, relative to rest. What is left out is not keyed here."""

    at: MomentField = documented(..., "When.", unit="frame, s or %", examples=("0.5s", 12, "50%"))
    move: LengthVector | None = documented(None, "Way from rest, world axes.", unit="m", examples=([0, 0, "60m"],))
    rotate: AngleVector | None = documented(None, "XYZ Euler turn.", unit="deg", examples=([0, 0, "90deg"],))
    axis: Axis | None = documented(None, "With `angle`: axis of a turn.", examples=("z", [0, 0, 1]))
    angle: Angle | None = documented(None, "With `axis`: the turn, may pass 360deg.", unit="deg", examples=("720deg",))
    scale: Scale | None = documented(None, "Size factor, or one per axis.", examples=(1.2, [1, 1, 2]))
    ease: Ease = documented("linear", "Easing of the interval that ends here.", examples=("in_out",))


BoneMap = Annotated[dict[str, Text], AsMapping]
UP_AXES = ("x", "y", "z", "-x", "-y", "-z")


class Clip(SpecPart):
    """A motion clip on a rig: a built-in one, one of the rig's own file, or one of another file."""

    short_key = "play"
    one_of = ("play", "file")
    play: Text | None = documented(
        None, "Name of a built-in clip, or of one in the rig's file.", examples=("walk", "Armature|walk")
    )
    file: FilePath | None = documented(None, "A .bvh, .fbx or .glb file.", examples=("dance.bvh",))
    clip: Text | None = documented(
        None, "With `file`: which clip of a file that has several.", examples=("Armature|walk",)
    )
    bones: BoneMap = documented(
        {},
        "With `file`: bone of the rig -> bone of the file, where it has no usual name.",
        examples=({"hips": "Root"},),
    )
    up: Annotated[str, Word(*UP_AXES)] | None = documented(
        None, "With `file`: which of its axes is up; seen in its rest pose.", examples=("y",)
    )
    in_place: Flag | None = documented(
        None,
        "With `file`: leaves out its way over the ground; true for an object with `move` keys.",
        examples=(True,),
    )
    at: MomentField | None = documented(None, "Start; 0.", unit="frame, s or %", examples=("2s",))
    from_: MomentField | None = documented(None, "Start; 0.", alias="from", unit="frame, s or %", examples=("0s",))
    to: MomentField | None = documented(None, "End; the clip's own.", unit="frame, s or %", examples=("2s",))
    fade: MomentField | None = documented(None, "Time of blending in.", unit="frame, s or %", examples=("0.2s",))
    speed: Number = documented(1.0, "Speed factor.", examples=(1.0,))
    loop: Flag = documented(False, "Repeats until `to`.", examples=(True,))
    additive: Flag = documented(False, "Adds to what is below.", examples=(True,))


class Reach(SpecPart):
    """An inverse-kinematics goal of a bone."""

    short_key = "object"
    one_of = ("object", "point")
    object: Text | None = documented(None, "Object to reach for.", examples=("cup",))
    point: LengthVector | None = documented(None, "World point to reach for.", unit="m", examples=([0, 2, 1],))
    from_: MomentField | None = documented(None, "Start; all the time.", alias="from", examples=("1s",))
    to: MomentField | None = documented(None, "End; all the time.", unit="frame, s or %", examples=("2s",))
    fade: MomentField | None = documented(
        None, "Time of going there and back; 0.4s.", unit="frame, s or %", examples=("0.3s",)
    )


class RigFile(SpecPart):
    """A skeleton: a built-in one, or that of the object's own mesh file."""

    short_key = "preset"
    one_of = ("preset", "file")
    preset: Annotated[str, Word(*RIGS)] | None = documented(None, "A built-in rig.", examples=("humanoid",))
    file: FilePath | None = documented(
        None, "The object's .fbx or .glb, which has a skeleton and skin.", examples=("hero.fbx",)
    )
    like: Annotated[str, Word(*RIGS)] = documented(
        "humanoid", "With `file`: whose names its bones take where they are known.", examples=("quadruped",)
    )
    bones: BoneMap = documented(
        {},
        "With `file`: bone of that rig -> bone of the file, where it has no usual name.",
        examples=({"hips": "Bip01"},),
    )


Keys = Annotated[list[MotionKey], AsList]


class Motion(SpecPart):
    """Motion of one object: a list of keys, or a mapping with a rig, clips, bones."""

    short_key = "keys"
    keys: Keys = documented([], "Keys of the whole object.", examples=([{"at": "1s", "move": [0, 0, 1]}],))
    rig: RigFile | None = documented(None, "Skeleton: a preset or {file: x.fbx}.", examples=("humanoid",))
    joints: Annotated[dict[str, PointPair], AsMapping] = documented(
        {}, "Joints pinned in the photo.", unit="px or share", examples=({"left_elbow": [0.42, 0.55]},)
    )
    clips: Annotated[list[Clip], AsList] = documented([], "Clips on the rig.", examples=([{"play": "walk"}],))
    bones: Annotated[dict[str, Keys], AsMapping] = documented(
        {}, "Keys of single bones.", examples=({"head": [{"at": "1s", "rotate": [0, 20, 0]}]},)
    )
    reach: Annotated[dict[str, Reach], AsMapping] = documented(
        {}, "Goals of bones.", examples=({"hand_right": {"object": "cup"}},)
    )
    foot_lock: Flag = documented(True, "Feet stay where they touch the ground.", examples=(False,))


class Rigid(SpecPart):
    """A rigid body."""

    mass: Annotated[Mass, AfterValidator(positive)] = documented(1.0, "Mass.", unit="kg", examples=("80kg",))
    friction: Annotated[Number, in_range(0, 10)] = documented(0.5, "Friction.", examples=(0.5,))
    bounce: Annotated[Share, in_range(0, 1)] = documented(0.0, "Restitution.", examples=(0.3,))
    velocity: LengthVector = documented((0.0, 0.0, 0.0), "Velocity at the start.", unit="m/s", examples=([0, 1, 0],))
    fixed: Flag = documented(False, "An obstacle that does not move.", examples=(True,))


class Pinned(SpecPart):
    """The part of an object that stays with it: at a side of its box, or in a box of its own frame."""

    short_key = "side"
    one_of = ("side", "box")
    side: Annotated[str, Word("top", "bottom", "left", "right", "front", "back", "none")] | None = documented(
        None, "Side as the photo shows it; `none` holds nothing.", examples=("left",)
    )
    share: Annotated[Share, in_range(0, 1)] = documented(
        0.03, "How far it reaches from that side, of the object's extent.", unit="share", examples=("20%",)
    )
    box: Annotated[list[LengthVector], AfterValidator(_two_corners)] | None = documented(
        None,
        "Low and high corner, object axes: x right, y away from the camera, z up from the base.",
        unit="m",
        examples=([[-0.1, -0.1, 1], [0.1, 0.1, 2]],),
    )


Detail = Annotated[Count, in_range(4, 128)]


class Cloth(SpecPart):
    """A cloth. It hangs on what is pinned, which follows the object's own motion, and lies on the ground."""

    pinned: Pinned = documented(Pinned(side="top"), "Region that stays fixed.", examples=("left",))
    wind: LengthVector = documented((0.0, 0.0, 0.0), "Wind, world axes.", unit="m/s", examples=([2, 0, 0],))
    gusts: Annotated[Share, in_range(0, 2)] = documented(
        0.4, "How uneven the wind is, from the scene's seed; 0 is even.", examples=(0.4,)
    )
    stiffness: Annotated[Number, in_range(0.1, 1000)] = documented(
        15.0, "Stiffness: silk 5, cotton 15, denim 40, leather 80.", examples=(15,)
    )
    mass: Annotated[Mass, AfterValidator(positive)] = documented(
        0.2, "Mass of a square metre; a light one flies in less wind.", unit="kg/m2", examples=("150g",)
    )
    collide: Annotated[list[Text], AsList] = documented(
        [], "Objects that it can't go through, besides the ground.", examples=(["table"],)
    )
    settle: Annotated[Duration, in_range(0, 60)] | None = documented(
        None,
        "Time before the first frame that it has hung and blown; 1s for what is added.",
        unit="s",
        examples=("1s",),
    )
    detail: Detail = documented(32, "Cells along its longest side, at least.", examples=(48,))


class Soft(SpecPart):
    """Soft follow-through: the object lags behind its own motion, overshoots and settles."""

    amount: Annotated[Share, in_range(0, 1)] = documented(
        0.5, "How much it gives: 0 swings 8 times a second, 1 swings 1.3 times.", examples=(0.5,)
    )
    damping: Annotated[Share, in_range(0, 1)] = documented(0.5, "How fast it settles.", examples=(0.5,))
    pinned: Pinned = documented(Pinned(side="bottom"), "What moves as if it were stiff.", examples=("bottom",))


class Simulation(SpecPart):
    """Physics of one object: a word (`rigid`), or a form with options."""

    one_of = ("rigid", "cloth", "soft")
    short_schemas = ({"enum": ["rigid", "cloth", "soft"]},)
    rigid: Rigid | None = documented(None, "A rigid body.", examples=({"mass": "80kg"},))
    cloth: Cloth | None = documented(None, "A cloth.", examples=({"wind": [2, 0, 0]},))
    soft: Soft | None = documented(None, "Soft follow-through.", examples=({"amount": 0.5},))

    @classmethod
    def shorten(cls, value: Any) -> Any:
        """Takes `rigid` as {rigid: {}}; refuses fluids."""
        named = value if isinstance(value, str) else next(iter(value), None) if isinstance(value, dict) else None
        if named in ("fluid", "fluids", "smoke"):
            raise wrong(
                "fluids abort Blender as a module",
                "bake them in Blender to a mesh of unchanging vertices and give `scene: {blend: baked.blend}`",
            )
        if isinstance(value, str) and value in cls.one_of:
            return {value: {}}
        return value
