"""What users' pictures may be and ours never are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


def with_eight_bits(picture: Picture) -> Picture:
    """Returns the picture with 8 bits a channel; wider greys are scaled, where Pillow would clip them.

    Levels that all fit into 8 bits are taken as they are: some programs write wide files of narrow pictures.
    """
    from PIL import Image as Pillow

    if not (picture.mode.startswith("I") or picture.mode == "F"):
        return picture
    values = np.asarray(picture, np.float64)
    if picture.mode == "F":
        top = 1.0 if values.max(initial=0.0) <= 1.0 else 255.0
    else:
        top = 255.0 if values.max(initial=0) <= 255 else 65535.0
    return Pillow.fromarray(np.clip(values / top * 255 + 0.5, 0, 255).astype(np.uint8), "L")
