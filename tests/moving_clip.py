"""A clip drawn by arithmetic, with exact passes: a wide textured plane and a textured square before it.

The plane is cut from the coffee photo and slides, and grows by a zoom; beyond its edge there is nothing
(id 0). The square moves on its own.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from i2v3d.artifacts.scene import FramePasses
from i2v3d.backends.base import RenderedFrame

PHOTO = Path(__file__).resolve().parent.parent / "specs" / "coffee" / "coffee.png"


def coffee() -> np.ndarray:
    with Pillow.open(PHOTO) as picture:
        return np.asarray(picture.convert("RGB"))


@dataclass(frozen=True)
class MovingClip:
    """Frame 0 shows the photo's window at `corner_px`, pixel for pixel."""

    height: int = 160
    width: int = 224
    steps: int = 8
    slide_px: tuple[float, float] = (3.25, 0.5)
    zoom: float = 1.0  # factor per frame
    square_px: tuple[float, float, float] | None = (60.0, 50.0, 40.0)  # left, top, side at frame 0
    square_slide_px: tuple[float, float] = (-2.0, 1.5)
    corner_px: tuple[int, int] = (120, 90)
    end_px: float = 400.0  # the plane ends at this column of the photo

    @property
    def photo(self) -> np.ndarray:
        x, y = self.corner_px
        return coffee()[y : y + self.height, x : x + self.width]

    def _plane_from_frame(self, index: int, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        factor = self.zoom**index
        centre_x, centre_y = (self.width - 1) / 2, (self.height - 1) / 2
        return (
            (x - centre_x) / factor + centre_x + self.slide_px[0] * index + self.corner_px[0],
            (y - centre_y) / factor + centre_y + self.slide_px[1] * index + self.corner_px[1],
        )

    def _frame_from_plane(self, index: int, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        factor = self.zoom**index
        centre_x, centre_y = (self.width - 1) / 2, (self.height - 1) / 2
        return (
            (u - self.corner_px[0] - self.slide_px[0] * index - centre_x) * factor + centre_x,
            (v - self.corner_px[1] - self.slide_px[1] * index - centre_y) * factor + centre_y,
        )

    def _square(self, index: int) -> tuple[float, float, float] | None:
        if self.square_px is None:
            return None
        left, top, side = self.square_px
        return left + self.square_slide_px[0] * index, top + self.square_slide_px[1] * index, side

    def frame(self, index: int) -> RenderedFrame:
        columns, rows = np.meshgrid(np.arange(self.width, dtype=np.float64), np.arange(self.height, dtype=np.float64))
        photo = coffee()
        u, v = self._plane_from_frame(index, columns, rows)
        colour = _read(photo, u, v)
        ids = np.where(u <= self.end_px, 1, 0).astype(np.uint8)
        flows = [
            np.stack(self._frame_from_plane(index + way, u, v), axis=-1) - np.stack([columns, rows], axis=-1)
            for way in (1, -1)
        ]
        depth = np.full(ids.shape, 10.0)
        if (square := self._square(index)) is not None:
            left, top, side = square
            is_square = (columns >= left) & (columns < left + side) & (rows >= top) & (rows < top + side)
            # The square carries the photo's own pixels of where it stood at frame 0.
            shift_x, shift_y = left - self.square_px[0], top - self.square_px[1]
            own = _read(photo, columns - shift_x + self.corner_px[0], rows - shift_y + self.corner_px[1])
            colour = np.where(is_square[..., None], own, colour)
            ids[is_square] = 2
            depth[is_square] = 4.0
            for flow, way in zip(flows, (1, -1), strict=True):
                flow[is_square] = np.array(self.square_slide_px) * way
        is_hole = ids == 0
        colour = np.where(is_hole[..., None], 0, colour)
        depth[is_hole] = np.inf
        for flow in flows:
            flow[is_hole] = 0
        passes = FramePasses(
            depth_m=depth.astype(np.float32),
            ids=ids,
            is_observed=~is_hole,
            flow_forward_px=flows[0].astype(np.float32) * (index < self.steps),
            flow_backward_px=flows[1].astype(np.float32) * (index > 0),
            has_next=index < self.steps,
            has_previous=index > 0,
        )
        return RenderedFrame(np.rint(np.clip(colour, 0, 255)).astype(np.uint8), passes)

    def frames(self) -> list[RenderedFrame]:
        return [self.frame(index) for index in range(self.steps + 1)]


def _read(photo: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return cv2.remap(
        photo.astype(np.float32),
        x.astype(np.float32),
        y.astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
