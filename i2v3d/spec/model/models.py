"""`models`: which weights the model backends read, and in which precision."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator

from i2v3d.spec.model.base import SpecPart, Text, Word, documented, wrong

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(@[\w./-]{1,95})?\Z")


def is_repository(text: str) -> bool:
    """Whether a text is `owner/name` or `owner/name@revision`, not a folder."""
    return bool(_REPOSITORY.match(text)) and not text.startswith(".")


def _model(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise wrong("the name of a model is empty", "give `owner/name`, `owner/name@revision`, or a folder `./sdxl`")
    return value


_ModelField = Annotated[Text, AfterValidator(_model)]
_HOW = " `owner/name` or `owner/name@revision` of the hub, or a folder that begins with `.` or `/`."


class Models(SpecPart):
    """Weights of the model backends (draft reads none)."""

    precision: Annotated[str, Word("fp16", "bf16", "fp32")] = documented(
        "fp16", "Number type of weights and activations.", examples=("bf16",)
    )
    sdxl: _ModelField | None = documented(None, f"SDXL base model.{_HOW}", examples=("./weights/sdxl",))
    sdxl_vae: _ModelField | None = documented(None, f"SDXL's autoencoder.{_HOW}", examples=("./weights/vae",))
    controlnet_depth: _ModelField | None = documented(
        None, f"Depth ControlNet of SDXL.{_HOW}", examples=("diffusers/controlnet-depth-sdxl-1.0",)
    )
    svd: _ModelField | None = documented(
        None, f"Stable Video Diffusion.{_HOW}", examples=("stabilityai/stable-video-diffusion-img2vid",)
    )
    svd_controlnet_depth: _ModelField | None = documented(
        None, f"Depth ControlNet of Stable Video Diffusion.{_HOW}", examples=("./weights/svd-depth",)
    )
    wan_vace: _ModelField | None = documented(None, f"Wan VACE.{_HOW}", examples=("Wan-AI/Wan2.1-VACE-1.3B-diffusers",))
    clip: _ModelField | None = documented(
        None, f"CLIP, which measures.{_HOW}", examples=("openai/clip-vit-large-patch14",)
    )
    depth_anything: _ModelField | None = documented(
        None, f"Depth Anything, which measures.{_HOW}", examples=("depth-anything/Depth-Anything-V2-Small-hf",)
    )
