"""Turns the user's photo into the working picture: upright, 8-bit sRGB, at working size.

Photos come with EXIF turns, colour profiles, 16 bits, CMYK, palettes and alpha. All of that ends here,
so that every later stage sees plain sRGB pixels of one size.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.user_pictures import with_eight_bits
from i2v3d.errors import StageError
from i2v3d.stages.base import Node, Resources, SourceFile, WorkDir, stage

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from i2v3d.spec.resolved import Scene

_WHITE = (255, 255, 255, 255)
_MAX_PIXELS = 50_000_000


@dataclass(frozen=True)
class Inputs:
    """The photo as the user gave it."""

    photo: Path


@dataclass(frozen=True)
class Params:
    """Size of the working picture in pixels, over the whole photo."""

    width: int
    height: int


@dataclass(frozen=True)
class Outputs:
    """The working picture."""

    photo: Image


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields the one node."""
    yield Node(
        name="prepare",
        stage="prepare",
        params=Params(scene.photo.size.width, scene.photo.size.height),
        inputs={"photo": SourceFile(scene.photo.file, "source.image")},
        origins={"width": "output.size", "height": "output.size", "photo": "source.image"},
    )


@stage("prepare", version=1, nodes=nodes, resources=Resources(memory_gb=0.8))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Reads, turns, converts and scales the photo.

    Raises:
        StageError: The file is no picture, is cut short, or is too large.
    """
    from PIL import Image as Pillow

    picture, notes = read_srgb(inputs.photo)
    scaled = picture.resize((params.width, params.height), Pillow.Resampling.LANCZOS)
    for note in notes:
        work.warn(note)
    outputs = Outputs(Image(work.output("photo")))
    outputs.photo.write(np.asarray(scaled))
    return outputs


def read_srgb(file: Path) -> tuple[Picture, tuple[str, ...]]:
    """Returns an upright RGB picture of 8-bit sRGB, and notes on what the user should know.

    Raises:
        StageError: The file is no picture, is cut short, or is too large.
    """
    from PIL import Image as Pillow
    from PIL import ImageOps

    picture = _decoded(file)
    notes: list[str] = []
    profile = picture.info.get("icc_profile")
    turned = ImageOps.exif_transpose(picture)
    whole, opacity = _without_alpha(with_eight_bits(turned))
    rgb = _to_srgb(whole, profile)
    if opacity is not None and opacity.getextrema() != (255, 255):
        white = Pillow.new("RGB", rgb.size, _WHITE[:3])
        rgb = Pillow.composite(rgb, white, opacity)
        notes.append("the photo has transparent parts: they were laid on white")
    return rgb, tuple(notes)


def _decoded(file: Path) -> Picture:
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    try:
        # From memory: Pillow leaves files open when it gives up on them.
        data = io.BytesIO(file.read_bytes())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own size warning and notes on odd metadata
            picture = Pillow.open(data)
            if picture.width * picture.height > _MAX_PIXELS:
                size = f"{picture.width} x {picture.height}"
                hint = "scale it down: the video needs no more than a few megapixels"
                raise StageError(f"{file.name} has {size} pixels; the limit is 50 megapixels", hint=hint)
            picture.load()
    except UnidentifiedImageError as error:
        raise StageError(f"{file.name} is not a picture", hint="give a JPEG, PNG, WebP or TIFF") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Pillow.DecompressionBombError) as error:
        message = f"{file.name} is damaged or cut short: {error}"
        raise StageError(message, hint="copy or export the photo again") from error
    return picture


def _without_alpha(picture: Picture) -> tuple[Picture, Picture | None]:
    """Returns the colours in a mode that a profile can describe, and the opacity where the file has one."""
    if picture.mode == "P":
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    elif "transparency" in picture.info and picture.mode in ("L", "RGB", "1"):
        picture = picture.convert("RGBA")
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        straight = picture.convert("RGBA")
        return straight.convert("RGB"), straight.getchannel("A")
    if picture.mode == "1":
        return picture.convert("L"), None
    return picture, None


def _to_srgb(picture: Picture, profile: bytes | None) -> Picture:
    """Returns the picture in sRGB; without a usable profile its numbers are taken as they are."""
    from PIL import ImageCms

    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            # A turn through sRGB's own profile would only add rounding.
            if "srgb" in ImageCms.getProfileDescription(source).lower():
                return picture.convert("RGB")
            target: Any = ImageCms.createProfile("sRGB")  # Any: Pillow's own profile object
            converted = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
            return picture.convert("RGB")
        if converted is not None:
            return converted
    return picture.convert("RGB")
