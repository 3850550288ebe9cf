"""What a vision model is told of a picture: resized, cut, scaled and normalised as its `preprocessor_config.json` says.

Done here and not by transformers' image processors, which want torchvision; a test holds both together. Resizing is
Pillow's, on the CPU, so that it is the same on every device.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Pillow

from i2v3d.backends.weight_files import PREPROCESSING_FILE, find_part, read_config
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array

if TYPE_CHECKING:
    from i2v3d.backends.base import ModelFiles


@dataclass(frozen=True)
class Preprocessing:
    """The settings of a model's image processor; sizes are (height, width) in pixels.

    Attributes:
        shortest_edge: What the shorter side becomes, the other in proportion; None where `size` holds.
        size: What both sides become.
        keeps_aspect: Whether the picture is scaled alike along both sides, to meet the side of `size` that asks for the
            smaller change.
        multiple: What both sides are rounded to.
        crop: The middle that is cut out; None for everything.
        resample: Pillow's filter.
        factor: Of 8-bit values.
        mean: Of the colours, subtracted, red, green, blue.
        deviation: Theirs, divided by.
    """

    shortest_edge: int | None
    size: tuple[int, int]
    keeps_aspect: bool
    multiple: int
    crop: tuple[int, int] | None
    resample: int
    factor: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Returns the height and width that a picture is resized to."""
        if self.shortest_edge is not None:
            short, long = sorted((height, width))
            other = int(self.shortest_edge * long / short)
            return (self.shortest_edge, other) if height <= width else (other, self.shortest_edge)
        by_height, by_width = self.size[0] / height, self.size[1] / width
        if self.keeps_aspect:
            by_height = by_width = by_width if abs(1 - by_width) < abs(1 - by_height) else by_height
        return self._rounded(by_height * height), self._rounded(by_width * width)

    def prepare(self, picture: Array) -> Array:
        """Returns float32 (3, height, width) of a uint8 (height, width, 3) picture."""
        height, width = self.resized(*picture.shape[:2])
        resized = Pillow.fromarray(np.ascontiguousarray(picture)).resize(
            (width, height), Pillow.Resampling(self.resample)
        )
        pixels = np.asarray(resized)
        if self.crop is not None:
            top, left = (height - self.crop[0]) // 2, (width - self.crop[1]) // 2
            pixels = pixels[top : top + self.crop[0], left : left + self.crop[1]]
        mean, deviation = np.array(self.mean, np.float32), np.array(self.deviation, np.float32)
        return np.moveaxis((pixels * np.float32(self.factor) - mean) / deviation, 2, 0)

    def batches(self, pictures: Sequence[Array], at_once: int) -> Iterator[Array]:
        """Yields float32 (up to `at_once`, 3, height, width) until every picture was in one."""
        for start in range(0, len(pictures), at_once):
            stop = min(start + at_once, len(pictures))
            yield np.stack([self.prepare(pictures[index]) for index in range(start, stop)])

    def _rounded(self, pixels: float) -> int:
        return max(round(pixels / self.multiple), 1) * self.multiple


def read_preprocessing(files: ModelFiles, role: str) -> Preprocessing:
    """Returns the settings that lie beside a model.

    Raises:
        StageError: They are not there, or ask for something that is not done here; `field` is the role.
    """
    part = dataclasses.replace(find_part(role, ""), config=PREPROCESSING_FILE)
    config = read_config(part, files.folders[role])
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if not config.get(step, True):
            raise _refused(role, f"`{step}: {config[step]}` is not supported")
    try:
        return _parsed(config)
    except (KeyError, TypeError, ValueError) as error:
        raise _refused(role, f"it has no usable `{error.args[0]}`") from error


def _parsed(config: Mapping[str, Any]) -> Preprocessing:
    """Reads both forms of a size: a mapping, and the plain number of older files, which CLIP's are."""
    size, is_cut = config["size"], bool(config.get("do_center_crop"))
    if isinstance(size, int):
        size = {"shortest_edge": size} if is_cut else {"height": size, "width": size}
    edge = size.get("shortest_edge")
    crop = config["crop_size"] if is_cut else None
    if isinstance(crop, int):
        crop = {"height": crop, "width": crop}
    found = Preprocessing(
        shortest_edge=None if edge is None else _count("size", edge),
        size=(0, 0) if edge is not None else (_count("size", size["height"]), _count("size", size["width"])),
        keeps_aspect=bool(config.get("keep_aspect_ratio")),
        multiple=_count("ensure_multiple_of", config.get("ensure_multiple_of") or 1),
        crop=None if crop is None else (_count("crop_size", crop["height"]), _count("crop_size", crop["width"])),
        resample=Pillow.Resampling(config.get("resample", Pillow.Resampling.BICUBIC)),
        factor=float(config.get("rescale_factor", 1 / 255)),
        mean=_colour("image_mean", config["image_mean"]),
        deviation=_colour("image_std", config["image_std"]),
    )
    if found.crop is not None and max(found.crop) > (edge or min(found.size)):
        raise ValueError("crop_size")
    return found


def _count(name: str, value: Any) -> int:  # Any: JSON
    if not isinstance(value, int) or value < 1:
        raise ValueError(name)
    return value


def _colour(name: str, values: Any) -> tuple[float, ...]:  # Any: JSON
    if not isinstance(values, list) or len(values) != 3 or not all(math.isfinite(value) for value in values):
        raise ValueError(name)
    return tuple(float(value) for value in values)


def _refused(role: str, what: str) -> StageError:
    return StageError(
        f"the `{PREPROCESSING_FILE}` of `{role}` can't be followed: {what}",
        hint="copy the file from the model's repository",
        field=role,
    )
