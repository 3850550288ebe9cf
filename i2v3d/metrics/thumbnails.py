"""Thumbnails as files: WebP, whose quality is chosen so that a clip's thumbnails stay small together."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from i2v3d.geometry.frames import Array

QUALITIES = (86, 80, 72, 62, 50, 42, 36)
BYTES_A_FRAME = 3200
_MOST_PIXELS = 1024 * 1024


def encode_thumbnail(pixels: Array, quality: int) -> bytes:
    """Returns a picture (height, width, 3) as WebP; equal pixels give equal bytes with one version of the library."""
    from PIL import Image as Pillow

    file = io.BytesIO()
    Pillow.fromarray(pixels, "RGB").save(file, "WEBP", quality=quality, method=4)
    return file.getvalue()


def decode_thumbnail(data: bytes) -> Array:
    """Returns the pixels of a WebP file.

    Raises:
        ValueError: It is none, or unreasonably large.
    """
    from PIL import Image as Pillow

    try:
        with Pillow.open(io.BytesIO(data), formats=("WEBP",)) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                raise ValueError(f"a picture of {picture.width} x {picture.height} is no thumbnail")
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"not a WebP picture: {error}") from error


def choose_quality(thumbnails: Sequence[Array]) -> int:
    """Returns the highest quality at which the thumbnails take at most BYTES_A_FRAME each on average.

    Judged by at most nine of them, so that it costs little.
    """
    some = [thumbnails[round(index)] for index in np.linspace(0, len(thumbnails) - 1, min(9, len(thumbnails)))]
    for quality in QUALITIES[:-1]:
        if sum(len(encode_thumbnail(one, quality)) for one in some) <= BYTES_A_FRAME * len(some):
            return quality
    return QUALITIES[-1]
