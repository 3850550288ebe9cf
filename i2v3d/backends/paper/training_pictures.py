"""The pictures that a LoRA learns from, as SDXL is shown them: their size, their background, and what it is told.

All have one size, that of the output, so that the two of a step can be evaluated together, and so that the model learns
at the size at which it will generate: cut to multiples of 8, reduced to SDXL's area where it is larger, never enlarged.
A novel view is a square and smaller; it is enlarged to stand in the middle of a white picture of that size: white, as
SDXL knows single things on white (grey would be nothing it has seen); the loss does not count there. That the view was
enlarged is told by its original size, so that its blur is not learnt as the thing's look.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from i2v3d.diffusion.lora_loss import MicroConditioning
from i2v3d.errors import StageError

if TYPE_CHECKING:
    from i2v3d.backends.base import CustomizationTask
    from i2v3d.geometry.frames import Array

_CELL_PX = 8  # a latent covers as many pixels
_LARGEST_AREA_PX = 1024 * 1024


@dataclass(frozen=True)
class PlainPicture:
    """A picture before it is encoded.

    Attributes:
        pixels: uint8 (height, width, 3), sides multiples of 8.
        prompt: What it shows.
        micro: Its size and crop.
        is_learnt: bool (height, width), where the loss counts; None for the whole picture.
        right_px: What the crop left out on the right, counted as `micro.crop_left`.
    """

    pixels: Array
    prompt: str
    micro: MicroConditioning
    is_learnt: Array | None = None
    right_px: int = 0

    def mirrored(self) -> PlainPicture:
        """The picture left to right, as it would have been cut from the mirrored whole."""
        return replace(
            self,
            pixels=self.pixels[:, ::-1],
            micro=replace(self.micro, crop_left=self.right_px),
            is_learnt=None if self.is_learnt is None else self.is_learnt[:, ::-1],
            right_px=self.micro.crop_left,
        )


def plain_photo(task: CustomizationTask) -> PlainPicture:
    """Returns the photo's window at the size of training.

    Raises:
        StageError: It is smaller than a latent.
    """
    height, width = task.photo.shape[:2]
    scale = min(1.0, (_LARGEST_AREA_PX / (height * width)) ** 0.5)
    size = (round(height * scale), round(width * scale))
    rows, columns = (side // _CELL_PX * _CELL_PX for side in size)
    if not rows or not columns:
        raise StageError(f"a photo of {width} x {height} pixels is too small to learn from", field="window_left")
    top, left = (size[0] - rows) // 2, (size[1] - columns) // 2
    pixels = _resized(task.photo, size)
    # SDXL is told the size before a picture was resized, and the crop in pixels after it.
    crop_top, crop_left = round(task.crop_top * scale) + top, round(task.crop_left * scale) + left
    return PlainPicture(
        pixels=pixels[top : top + rows, left : left + columns],
        prompt=task.prompt,
        micro=MicroConditioning(
            original_height=task.original_height,
            original_width=task.original_width,
            crop_top=crop_top,
            crop_left=crop_left,
            target_height=rows,
            target_width=columns,
        ),
        right_px=max(round(task.original_width * scale) - crop_left - columns, 0),
    )


def plain_view(cut_out: Array, class_name: str, height: int, width: int) -> PlainPicture | None:
    """Returns a novel view in the middle of a white picture; None where it shows too little to count.

    Args:
        cut_out: uint8 (rows, columns, 4), straight alpha.
        class_name: What it shows.
        height: Of the picture, a multiple of 8.
        width: The same.
    """
    rows, columns = cut_out.shape[:2]
    scale = min(height / rows, width / columns)
    size = (max(round(rows * scale), 1), max(round(columns * scale), 1))
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    inside = (slice(top, top + size[0]), slice(left, left + size[1]))
    alpha = cut_out[..., 3:].astype(np.float32) / 255
    on_white = np.rint(cut_out[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    pixels = np.full((height, width, 3), 255, np.uint8)
    pixels[inside] = _resized(on_white, size)
    is_learnt = np.zeros((height, width), bool)
    is_learnt[inside] = _resized(cut_out[..., 3], size) >= 128
    if not is_learnt[::_CELL_PX, ::_CELL_PX].any():
        return None
    micro = MicroConditioning(rows, columns, 0, 0, height, width)
    return PlainPicture(pixels, f"a {class_name}", micro, is_learnt)


def _resized(pixels: Array, size: tuple[int, int]) -> Array:
    """Returns uint8 pixels at (height, width)."""
    if pixels.shape[:2] == size:
        return pixels
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size[::-1], Image.Resampling.LANCZOS))
