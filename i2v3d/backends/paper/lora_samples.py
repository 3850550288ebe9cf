"""The sheet of a training: what the model now makes of each prompt, beside what it learnt from, and the loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from i2v3d.diffusion.lora_training import step_generator
from i2v3d.diffusion.noise_levels import ddim_move

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

    from i2v3d.diffusion.keyframe_model import TextCondition
    from i2v3d.diffusion.noise_levels import DdimLevels
    from i2v3d.geometry.frames import Array

SAMPLES = 2
_GUIDANCE_SCALE = 7.5
_CELL_WIDTH_PX = 512
_GAP_PX = 12
_CAPTION_PX = 34
_CURVE_HEIGHT_PX = 200
_PAPER, _INK, _PALE, _LINE = (250, 250, 248), (40, 40, 40), (205, 205, 200), (186, 62, 40)


@dataclass(frozen=True)
class SampleRow:
    """One prompt of the sheet.

    Attributes:
        prompt: What was asked for.
        learnt: uint8 (height, width, 3), of what was learnt.
        samples: uint8 (height, width, 3) each, what the model makes.
    """

    prompt: str
    learnt: Array
    samples: tuple[Array, ...]


@torch.no_grad()
def sample_latents(
    unet: UNet2DConditionModel,
    text: TextCondition,
    nothing: TextCondition,
    *,
    size: tuple[int, int],
    levels: DdimLevels,
    seed: int,
    on_step: Callable[[], None],
) -> torch.Tensor:
    """Clean latents of `SAMPLES` pictures, by DDIM: `samples channels height/8 width/8`, float32.

    Args:
        unet: With what it learnt.
        text: The prompt.
        nothing: The empty prompt.
        size: Height and width of the pictures.
        levels: The levels of the run.
        seed: The noise depends on this alone, so rows and trainings compare.
        on_step: Called after every step.
    """
    height, width = size
    shape = (SAMPLES, unet.config.in_channels, height // 8, width // 8)
    latents = torch.randn(shape, generator=step_generator(seed, -2)).to(unet.device)
    time_ids = torch.tensor([[height, width, 0, 0, height, width]], dtype=torch.float32, device=latents.device)
    added = {
        "text_embeds": torch.cat([nothing.pooled, text.pooled]).repeat_interleave(SAMPLES, dim=0).to(unet.dtype),
        "time_ids": time_ids.expand(2 * SAMPLES, -1),
    }
    embeds = torch.cat([nothing.embeds, text.embeds]).repeat_interleave(SAMPLES, dim=0).to(unet.dtype)
    for index in reversed(range(levels.steps)):
        predicted = unet(
            latents.to(unet.dtype).repeat(2, 1, 1, 1),
            levels.timesteps[index],
            encoder_hidden_states=embeds,
            added_cond_kwargs=added,
            return_dict=False,
        )[0].float()
        without, with_text = predicted.chunk(2)
        noise = without + _GUIDANCE_SCALE * (with_text - without)
        latents = ddim_move(latents, noise, alpha=levels.alphas[index], to_alpha=levels.alpha_before(index))
        on_step()
    return latents


def sample_sheet(rows: Sequence[SampleRow], losses: Sequence[float]) -> Array:
    """Returns the sheet, uint8 (height, width, 3): a row per prompt, and the curve of the loss."""
    height, width = rows[0].learnt.shape[:2]
    cell = (_CELL_WIDTH_PX, max(1, round(_CELL_WIDTH_PX * height / width)))
    across = (1 + SAMPLES) * (cell[0] + _GAP_PX) + _GAP_PX
    row_px = _CAPTION_PX + cell[1]
    curve_top = _GAP_PX + len(rows) * (row_px + _GAP_PX)
    sheet = Image.new("RGB", (across, curve_top + _CAPTION_PX + _CURVE_HEIGHT_PX + _GAP_PX), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, row in enumerate(rows):
        top = _GAP_PX + index * (row_px + _GAP_PX)
        names = ("learnt", *(f"sample {number + 1}" for number in range(len(row.samples))))
        for column, (name, picture) in enumerate(zip(names, (row.learnt, *row.samples), strict=True)):
            left = _GAP_PX + column * (cell[0] + _GAP_PX)
            caption = f"{name}: {row.prompt or '(no prompt)'}" if column == 0 else name
            _write(draw, (left, top), caption, cell[0])
            shown = Image.fromarray(np.ascontiguousarray(picture)).resize(cell, Image.Resampling.LANCZOS)
            sheet.paste(shown, (left, top + _CAPTION_PX))
    _write(draw, (_GAP_PX, curve_top), _curve_caption(losses), across - 2 * _GAP_PX)
    box = (_GAP_PX, curve_top + _CAPTION_PX, across - _GAP_PX, curve_top + _CAPTION_PX + _CURVE_HEIGHT_PX)
    _draw_curve(draw, box, np.asarray(losses))
    return np.asarray(sheet)


def _curve_caption(losses: Sequence[float]) -> str:
    tenth = max(1, len(losses) // 10)
    first, last = np.mean(losses[:tenth]), np.mean(losses[-tenth:])
    return f"loss of {len(losses)} steps (a single step's noise level decides most of it): {first:.4f} to {last:.4f}"


def _draw_curve(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], losses: Array) -> None:
    """Draws every loss pale and their running mean over a tenth of the steps on top, from zero up."""
    left, top, right, bottom = box
    draw.rectangle(box, outline=_PALE)
    if len(losses) < 2:
        return
    window = max(1, len(losses) // 10)
    padded = np.concatenate([np.full(window - 1, losses[:window].mean()), losses])
    mean = np.convolve(padded, np.ones(window) / window, mode="valid")
    xs = np.linspace(left, right, len(losses))
    for values, colour, thickness in ((losses, _PALE, 1), (mean, _LINE, 3)):
        ys = bottom - values / max(losses.max(), 1e-9) * (bottom - top - 4)
        draw.line([(float(x), float(y)) for x, y in zip(xs, ys, strict=True)], fill=colour, width=thickness)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, width: int) -> None:
    """Writes one line, cut to the width."""
    font = ImageFont.load_default(18)
    while len(text) > 3 and draw.textlength(text, font=font) > width:
        text = text.removesuffix("...")[:-1].rstrip() + "..."
    draw.text((place[0], place[1] + 6), text, fill=_INK, font=font)
