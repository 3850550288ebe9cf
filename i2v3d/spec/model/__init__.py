"""The spec as given: pydantic models of the whole language, one module per section.

Values are in base units (metres, radians, seconds); times stay as written, since only `resolve`
knows the clip. What this version can't do yet is parsed and checked here all the same.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from i2v3d.spec.model.background import Background
from i2v3d.spec.model.base import AsMapping, Count, FilePath, SpecPart, Text, Word, documented, in_range, wrong
from i2v3d.spec.model.camera import Camera
from i2v3d.spec.model.generation import Customize, Expect, Guidance, Interpolate, Keyframes, OptionalCustomize
from i2v3d.spec.model.models import Models
from i2v3d.spec.model.motion import Motion, Simulation
from i2v3d.spec.model.objects import SceneObject
from i2v3d.spec.model.source import Output, Source

LANGUAGE_VERSION = 1
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}\Z")


def _version(value: Any) -> Any:
    if value != LANGUAGE_VERSION or isinstance(value, bool):
        raise wrong(f"this i2v3d knows version {LANGUAGE_VERSION} of the language, not {value}", "write `i2v3d: 1`")
    return value


def _name(value: str) -> str:
    if not _FILE_NAME.match(value):
        raise wrong(f"`{value}` can't name a folder", "use letters, digits, `_`, `-` and `.`, at most 80")
    return value


def _object_names(value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        if not name.strip() or len(name) > 120 or any(ord(letter) < 32 for letter in name):
            raise wrong(
                f"`{name[:40]}` can't name an object", "use 1 to 120 characters, none of them a control character"
            )
    return value


class SceneFile(SpecPart):
    """An artist's scene that takes the place of the generated one."""

    short_key = "blend"
    blend: FilePath = documented(..., "A .blend file; it is opened with scripts off.", examples=("edited.blend",))


class Spec(SpecPart):
    """A scene spec: one photo, its objects, their motion and a camera path, to one video."""

    i2v3d: Annotated[int, BeforeValidator(_version)] = documented(1, "Version of the language.", examples=(1,))
    name: Annotated[Text, AfterValidator(_name)] | None = documented(
        None, "Name of the scene and of its output folder; that of the spec's folder.", examples=("rocket",)
    )
    description: Text = documented("", "A note for people.", examples=("lift-off at dusk",))
    include: Any = documented(
        None, "Files merged below this one: a name, or a list of names or {file, vars}.", examples=("base.yaml",)
    )
    vars: Annotated[dict[str, Any], AsMapping] = documented(
        {}, "Values for `${name}` in any text of the spec, and for included templates.", examples=({"up": "60m"},)
    )
    variants: Annotated[dict[str, Any], AsMapping] = documented(
        {}, "Named overrides: mappings, or dotted paths.", examples=({"slow": {"output.duration": "4s"}},)
    )
    source: Source = documented(..., Source.__doc__ or "", examples=({"image": "photo.jpg"},))
    output: Output = documented(
        Output.model_construct(), Output.__doc__ or "", examples=({"size": [1024, 576], "duration": "2.5s"},)
    )
    profile: Annotated[str, Word("draft", "paper", "modern", label="profiles")] = documented(
        "draft", "Which backends are used: `draft` needs no weights.", examples=("draft",)
    )
    backends: Annotated[dict[str, Text], AsMapping] = documented(
        {}, "Backend of single stages.", examples=({"render": "cycles"},)
    )
    objects: Annotated[dict[str, SceneObject], AsMapping, AfterValidator(_object_names)] = documented(
        {}, "The things of the scene, by name.", examples=({"rocket": {"segment": {"box": [0.6, 0.28, 0.66, 0.97]}}},)
    )
    background: Background = documented(Background.model_construct(), Background.__doc__ or "", examples=("room",))
    motion: Annotated[dict[str, Motion], AsMapping] = documented(
        {}, "Motion by object.", examples=({"rocket": [{"at": "2.5s", "move": [0, 0, 60]}]},)
    )
    simulate: Annotated[dict[str, Simulation], AsMapping] = documented(
        {}, "Physics by object.", examples=({"ball": "rigid"},)
    )
    camera: Camera = documented(
        Camera.model_construct(), Camera.__doc__ or "", examples=([{"at": "2.5s", "dolly": "1m"}],)
    )
    scene: SceneFile | None = documented(None, SceneFile.__doc__ or "", examples=({"blend": "edited.blend"},))
    guidance: Guidance = documented(Guidance.model_construct(), Guidance.__doc__ or "", examples=({"strength": 1.0},))
    customize: OptionalCustomize = documented(
        Customize.model_construct(), Customize.__doc__ or "", examples=({"rank": 32}, "off")
    )
    keyframes: Keyframes = documented(Keyframes.model_construct(), Keyframes.__doc__ or "", examples=({"every": 15},))
    interpolate: Interpolate = documented(
        Interpolate.model_construct(), Interpolate.__doc__ or "", examples=({"frames": 16},)
    )
    models: Models = documented(
        Models.model_construct(), Models.__doc__ or "", examples=({"precision": "bf16", "sdxl": "./weights/sdxl"},)
    )
    seed: Annotated[Count, in_range(0, 2**63 - 1)] = documented(1, "Seed of everything random.", examples=(1,))
    expect: Expect | None = documented(None, Expect.__doc__ or "", examples=({"ssim_to_render": ">= 0.70"},))


__all__ = ["LANGUAGE_VERSION", "Spec"]
