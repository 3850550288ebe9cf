"""`guidance`, `customize`, `keyframes`, `interpolate` and `expect`: what generative backends and checks read."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from i2v3d.spec.model.base import (
    AlsoAccepts,
    AsMapping,
    Count,
    Flag,
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
from i2v3d.spec.suggest import hint_for
from i2v3d.spec.units import Moment, describe

METRICS = (
    "ssim_to_render",
    "psnr_to_render",
    "psnr_observed",
    "frame_consistency",
    "clip_i",
    "d_rmse",
    "d_rmse_to_scene",
    "silhouette_iou",
    "displacement",
    "motion_error",
    "warp_error",
    "seam_jump",
    "flicker",
    "unobserved_share",
    "camera_path_error",
    "camera_path_share",
    "camera_rotation_error",
)
_BOUND = re.compile(r"\s*(>=|<=|>|<)\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)\s*\Z")
_OF_OBJECT = re.compile(r"([^\[\]]+)\[(.+)\]\Z", re.DOTALL)


class StrengthKey(SpecPart):
    """A strength at one time."""

    at: MomentField = documented(..., "When.", unit="frame, s or %", examples=("2s",))
    value: Annotated[Number, in_range(0, 2)] = documented(..., "Strength there.", examples=(0.4,))


def _keyed(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [{"at": 0, "value": value}]
    if not isinstance(value, list) or not value:
        raise wrong(f"expected a strength, got {describe(value)}", "give a number or `[{at: 0s, value: 1.0}, ...]`")
    return value


def _off(value: Any) -> Any:
    return None if value == "off" or value is False else value


Strength = Annotated[list[StrengthKey], BeforeValidator(_keyed), AlsoAccepts({"type": "number"})]
_OFF = AlsoAccepts({"const": "off"})


class RegionShare(SpecPart):
    """A share of the steps, by region."""

    short_schemas = ({"type": "number"},)
    foreground: Annotated[Share, in_range(0, 1)] = documented(1.0, "For objects.", examples=(1.0,))
    background: Annotated[Share, in_range(0, 1)] = documented(0.8, "For the background.", examples=(0.8,))

    @classmethod
    def shorten(cls, value: Any) -> Any:
        """Takes one number for both regions."""
        return value if isinstance(value, dict) else {"foreground": value, "background": value}


class Features(SpecPart):
    """Injection of the render's features: until which share of the steps."""

    conv_until: Annotated[Share, in_range(0, 1)] = documented(0.6, "Residual features.", examples=(0.6,))
    attention_until: RegionShare = documented(
        RegionShare.model_construct(),
        "Self-attention queries and keys.",
        examples=({"foreground": 1.0, "background": 0.8},),
    )


OptionalFeatures = Annotated[Features | None, BeforeValidator(_off), _OFF]


class ClipFeatures(SpecPart):
    """Injection of the render's features between keyframes: until which share of the steps."""

    conv_until: Annotated[Share, in_range(0, 1)] = documented(1.0, "Residual features.", examples=(1.0,))
    attention_until: Annotated[Share, in_range(0, 1)] = documented(
        1.0, "Spatial self-attention queries and keys.", examples=(1.0,)
    )


OptionalClipFeatures = Annotated[ClipFeatures | None, BeforeValidator(_off), _OFF]


class ObjectGuidance(SpecPart):
    """Guidance of one object."""

    short_key = "strength"
    strength: Strength = documented(..., "Scales everything together.", examples=(0.5, [{"at": "0s", "value": 1.0}]))


class Guidance(SpecPart):
    """How strictly generative backends follow the render (draft does not read it)."""

    strength: Strength = documented(
        [StrengthKey(at=Moment(0.0, "frame"), value=1.0)],
        "Scales everything together; may be keyed over time. 0 leaves the render out, 1 is the paper's.",
        examples=(1.0, [{"at": "0s", "value": 1.0}, {"at": "2s", "value": 0.4}]),
    )
    depth: Annotated[Number, in_range(0, 2)] = documented(1.0, "Scale of the depth condition.", examples=(1.0,))
    depth_range: Annotated[str, Word("clip", "frame")] = documented(
        "clip", "Over what depth is normalised; `frame` can flicker.", examples=("clip",)
    )
    features: OptionalFeatures = documented(
        Features.model_construct(), "Feature injection, or `off`.", examples=({"conv_until": 0.6},)
    )
    extended_attention: Annotated[str, Word("all", "background", "none")] = documented(
        "background", "Keyframes see each other: `all` (Eq. 2), `background` (as published), `none`.", examples=("all",)
    )
    objects: Annotated[dict[str, ObjectGuidance], AsMapping] = documented(
        {}, "Strength of single objects.", examples=({"rocket": {"strength": 0.5}},)
    )


class Customize(SpecPart):
    """Training of a per-scene appearance model (draft does not read it)."""

    rank: Annotated[Count, in_range(1, 512)] = documented(32, "Rank of the LoRA.", examples=(32,))
    steps: Annotated[Count, in_range(1, 100_000)] = documented(500, "Training steps.", examples=(500,))
    lr: Annotated[Number, AfterValidator(positive)] = documented(1e-4, "Learning rate.", examples=(1e-4,))
    augmentation_weight: Annotated[Number, in_range(0, 100)] = documented(
        1.0, "Weight of the novel views (lambda of Eq. 1).", examples=(1.0,)
    )
    flip: Flag = documented(False, "Allows mirrored training pictures.", examples=(True,))
    views: Annotated[str, Word("all", "single")] = documented(
        "all", "Views to train on; `single` is the ablation.", examples=("all",)
    )


OptionalCustomize = Annotated[Customize | None, BeforeValidator(_off), _OFF]


class FasterKeyframes(SpecPart):
    """Approximations of keyframe generation; each is exact by default."""

    source_every: Annotated[Count, in_range(1, 100)] = documented(
        1, "The render's features are taken at every so many steps only.", unit="steps", examples=(2,)
    )
    control_every: Annotated[Count, in_range(1, 100)] = documented(
        1, "The depth ControlNet is asked at every so many steps only.", unit="steps", examples=(2,)
    )
    guided_until: Annotated[Share, in_range(0, 1)] = documented(
        1.0, "Share of the steps that have classifier-free guidance.", examples=(0.8,)
    )


class FasterClips(SpecPart):
    """Approximations of SVD between keyframes; each is exact by default."""

    backward_every: Annotated[Count, in_range(1, 100)] = documented(
        1, "The way back from the later keyframe is evaluated at every so many steps only.", unit="steps", examples=(2,)
    )
    control_every: Annotated[Count, in_range(1, 100)] = documented(
        1, "The depth ControlNet is asked at every so many steps only.", unit="steps", examples=(2,)
    )


class Keyframes(SpecPart):
    """Which frames are refined as keyframes, and the numbers of refining."""

    every: Annotated[Count, in_range(1, 1000)] = documented(
        15, "Distance of keyframes; the last frame always is one.", unit="frames", examples=(15,)
    )
    spacing: Annotated[str, Word("fixed", "even")] = documented(
        "fixed",
        "`fixed`: every so many frames, and what is left over; `even`: as near to `every` as equal distances allow.",
        examples=("even",),
    )
    steps: Annotated[Count, in_range(1, 1000)] = documented(50, "Denoising steps.", examples=(50,))
    guidance_scale: Annotated[Number, in_range(0, 50)] = documented(7.5, "Classifier-free guidance.", examples=(7.5,))
    window: Annotated[Count, in_range(1, 64)] = documented(4, "Keyframes generated together.", examples=(4,))
    overlap: Annotated[Count, in_range(0, 63)] = documented(
        1, "Keyframes shared by windows, fewer than `window`; 0 makes each window a step of its own.", examples=(1,)
    )
    negative_prompt: Text = documented(
        "",
        "What keyframes must not show, nor the frames that Wan VACE makes between them.",
        examples=("blurry, low quality",),
    )
    faster: FasterKeyframes = documented(
        FasterKeyframes.model_construct(), FasterKeyframes.__doc__ or "", examples=({"source_every": 2},)
    )


class Interpolate(SpecPart):
    """Frames between keyframes (draft reads `frames` only)."""

    frames: Annotated[Count, in_range(2, 1001)] = documented(
        16, "Frames of one interval, both ends counted: `keyframes.every` and one.", unit="frames", examples=(16,)
    )
    steps: Annotated[Count, in_range(2, 1000)] | None = documented(
        None, "Denoising steps; without it 25 for SVD and 30 for Wan VACE.", examples=(25,)
    )
    guidance_scale: Annotated[Number, in_range(0, 50)] | None = documented(
        None, "Classifier-free guidance; without it 1.5 for SVD and 5 for Wan VACE.", examples=(1.5,)
    )
    motion_bucket: Annotated[Count, in_range(1, 255)] = documented(127, "Motion bucket of SVD.", examples=(127,))
    noise_augmentation: Annotated[Number, in_range(0, 1)] = documented(
        0.02, "Noise on the keyframe that SVD sees.", examples=(0.02,)
    )
    depth: Annotated[Number, in_range(0, 2)] | None = documented(
        None, "Scale of the depth condition between keyframes; default `guidance.depth`.", examples=(0.5,)
    )
    features: OptionalClipFeatures = documented(
        ClipFeatures.model_construct(),
        "Feature injection between keyframes, or `off`; also off where `guidance.features` is.",
        examples=({"attention_until": 0.8},),
    )
    faster: FasterClips = documented(
        FasterClips.model_construct(), FasterClips.__doc__ or "", examples=({"backward_every": 2},)
    )


class PathExpectation(SpecPart):
    """What the camera path must keep to."""

    inside: Annotated[str, Word("scene")] = documented(
        "scene",
        "Where it must stay: in every frame above the ground, before the background, outside every object, and so that "
        "no part of the picture looks past the end of the scene.",
        examples=("scene",),
    )


def _bound(value: str) -> str:
    if not _BOUND.match(value):
        raise wrong(f"`{value}` is not a bound", 'for example `">= 0.70"`')
    return value


def split_bound(text: str) -> tuple[str, float]:
    """Returns the relation and the number of a checked bound."""
    match = _BOUND.match(text)
    assert match is not None  # checked when the spec was read
    return match.group(1), float(match.group(2))


def split_metric(name: str) -> tuple[str, str]:
    """Returns metric and object of `silhouette_iou[rocket]`; the object is empty where none is named."""
    match = _OF_OBJECT.match(name)
    return (match.group(1), match.group(2)) if match else (name, "")


class Expect(SpecPart):
    """What `i2v3d check` holds the result to."""

    camera_path: PathExpectation | None = documented(
        None, PathExpectation.__doc__ or "", examples=({"inside": "scene"},)
    )
    findings: Annotated[str, Word("none")] | None = documented(
        None,
        "`none`: what the check of the assembled scene finds is a failure; without it, it is only told.",
        examples=("none",),
    )
    bounds: dict[str, Annotated[Text, AfterValidator(_bound)]] = documented(
        {},
        "Metric name to bound; `silhouette_iou[rocket]` is that of one object.",
        examples=({"ssim_to_render": ">= 0.70"},),
    )
    short_schemas = (
        {
            "type": "object",
            "properties": {name: {"type": "string"} for name in METRICS},
            "patternProperties": {rf"^({'|'.join(METRICS)})\[.+\]$": {"type": "string"}},
        },
    )

    @classmethod
    def shorten(cls, value: Any) -> Any:
        """Moves metrics, which are written beside `camera_path`, into `bounds`."""
        if not isinstance(value, dict):
            return value
        others = ("camera_path", "findings")
        beside = {name: bound for name, bound in value.items() if name not in (*others, "bounds")}
        below = value["bounds"] if isinstance(value.get("bounds"), dict) else {}
        for name in (*beside, *below):
            if split_metric(str(name))[0] not in METRICS:
                known = METRICS if name in below else (*METRICS, *others)
                raise wrong(f"unknown metric `{name}`", hint_for(split_metric(str(name))[0], known, label="metrics"))
        if not beside:
            return value
        kept = {name: value[name] for name in others if name in value}
        return {**kept, "bounds": {**below, **beside}} if below or "bounds" not in value else value
