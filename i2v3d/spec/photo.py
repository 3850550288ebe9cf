"""What a photo's header says, read without decoding its pixels."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.spec.units import UnitError

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 50_000_000
MAX_BYTES = 200_000_000
_ORIENTATION, _FOCAL_35MM, _EXIF_IFD = 0x0112, 0xA405, 0x8769
_DIAGONAL_35MM = math.hypot(36.0, 24.0)


@dataclass(frozen=True)
class PhotoFacts:
    """Size after the EXIF turn, in pixels, and the horizontal field of view if EXIF tells it."""

    width: int
    height: int
    fov_rad: float | None


def read_photo_facts(file: Path, *, what: str = "photo") -> PhotoFacts:
    """Returns the facts of a still picture.

    Raises:
        UnitError: It is no picture, has too many pixels, or is animated; with a hint.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        # Pillow warns and refuses at limits of its own; ours is below them and says what to do.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file) as picture:
                width, height = picture.size
                _check(width, height, _frames(picture), what)
                exif = picture.getexif()
    except UnidentifiedImageError as error:
        raise UnitError(f"{file.name} is not a picture that can be read", "give a JPEG, PNG, WebP or TIFF") from error
    except (SyntaxError, ValueError, OSError) as error:
        if isinstance(error, UnitError):
            raise
        raise UnitError(f"{file.name} is damaged or cut short", "copy or export it again") from error
    except Image.DecompressionBombError:
        raise UnitError(f"the {what} has more than {_megapixels(MAX_PIXELS)} megapixels", _TOO_LARGE) from None
    focal_35mm = exif.get_ifd(_EXIF_IFD).get(_FOCAL_35MM, 0)
    if exif.get(_ORIENTATION, 1) in (5, 6, 7, 8):
        width, height = height, width
    return PhotoFacts(width, height, _fov(width, height, focal_35mm))


_TOO_LARGE = "scale it down: the video needs no more than a few"


def _frames(picture: Image.Image) -> int:
    """A phone's MPO holds further pictures of the same moment, which are no animation."""
    return 1 if picture.format == "MPO" else int(getattr(picture, "n_frames", 1))


def _check(width: int, height: int, frames: int, what: str) -> None:
    if width * height > MAX_PIXELS:
        size = f"{width} x {height} pixels, {_megapixels(width * height)} megapixels"
        raise UnitError(f"the {what} has {size}; the limit is {_megapixels(MAX_PIXELS)}", _TOO_LARGE)
    if frames > 1:
        raise UnitError(f"the {what} is animated ({frames} frames)", "give a still picture: save one frame as PNG")


def _fov(width: int, height: int, focal_35mm: object) -> float | None:
    """The 35 mm equivalent relates the diagonals, which holds for every aspect ratio."""
    try:
        focal = float(focal_35mm)  # type: ignore[arg-type]  # EXIF may hold anything
    except (TypeError, ValueError):
        return None
    if not 4 <= focal <= 2000:
        return None
    focal_px = focal * math.hypot(width, height) / _DIAGONAL_35MM
    return 2 * math.atan(width / (2 * focal_px))


def _megapixels(pixels: int) -> str:
    return f"{pixels / 1e6:.0f}"
