"""Times the generation of keyframes on a GPU beside a plain implementation, with random weights of SDXL's size.

    python tests/bench/keyframes.py [--frames 5] [--size 1024x576] [--steps 50] [--budget-s 200]

Every variant is warmed up and run once over all steps, all in one process, one after another; seconds include inversion
and sampling, not the autoencoder. Errors are those of final latents after `--check-steps` steps, against the plain
implementation in float32, relative to the largest magnitude; the plain float16 row says what float16 alone costs.
Drifts are differences after all steps from the first exact variant in the table, itself excepted.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from i2v3d.diffusion.compiling import compile_blocks, keep_compiled_code, put_channels_last, tuned_for_gpu
from i2v3d.diffusion.graphs import recording_off
from i2v3d.diffusion.inversion import invert_keyframes
from i2v3d.diffusion.inversion_features import InversionFeatures
from i2v3d.diffusion.keyframe_model import DepthControl, KeyframeModel
from i2v3d.diffusion.keyframe_sampling import (
    KeyframeGuide,
    KeyframePrompts,
    KeyframeSettings,
    sample_keyframes,
    start_latents,
)
from i2v3d.diffusion.noise_levels import DdimLevels
from i2v3d.diffusion.schedule import KeyframeSchedule
from tests.bench import full_size
from tests.bench.plain_keyframes import PlainKeyframes
from tests.bench.variants import Timer, Variants


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    invert_s: float
    sample_s: float
    per_keyframe_s: float
    tflops: float
    peak_gb: float
    error: float
    drift: float


@dataclass(frozen=True)
class Way:
    """How a variant does it.

    Attributes:
        options: Fields of `KeyframeSettings`.
        is_plain: The plain implementation.
        is_source_kept: The inversion's features are used, the source isn't evaluated.
    """

    options: Mapping[str, float] = field(default_factory=dict)
    is_plain: bool = False
    is_source_kept: bool = False

    @property
    def is_approximate(self) -> bool:
        """Whether something is left out."""
        return self.is_source_kept or bool(self.options)


class Bench:
    """The inputs of all variants."""

    def __init__(self, frames: int, height: int, width: int) -> None:
        self.renders = full_size.renders(frames, height, width)
        draw = torch.Generator().manual_seed(5)
        self.prompts = KeyframePrompts(*(full_size.text(draw) for _ in range(3)))
        self.noise = torch.randn(self.renders.latents.shape, generator=draw).to(full_size.DEVICE)
        self.control = DepthControl(self.renders.depth)

    def run(self, model: KeyframeModel, steps: int, way: Way) -> tuple[Tensor, float, float]:
        """Final latents, and seconds of inversion and of sampling."""
        levels = DdimLevels.of(full_size.ddim(), steps)
        settings = KeyframeSettings(KeyframeSchedule(steps), **way.options)
        features = InversionFeatures(settings.schedule, len(self.noise)) if way.is_source_kept else None
        with Timer() as inverting:
            inverted = invert_keyframes(
                model,
                self.renders.latents,
                levels=levels,
                text=self.prompts.inversion,
                control=self.control,
                control_every=settings.control_every,
                features=features,
            )
        guide = KeyframeGuide(inverted, self.renders.is_foreground, self.renders.is_visible, features=features)
        start = start_latents(inverted[-1], self.noise, guide.is_visible)
        with Timer() as sampling:
            if way.is_plain:
                plain = PlainKeyframes(model, guide, tuple(start.shape[-2:]))
                final = plain.sample(start, levels, self.prompts, self.control, settings)
            else:
                final = sample_keyframes(
                    model,
                    start,
                    levels=levels,
                    prompts=self.prompts,
                    control=self.control,
                    guide=guide,
                    settings=settings,
                )
        return final, inverting.seconds, sampling.seconds


def main() -> None:
    """Runs every variant and prints the table."""
    options = _options()
    width, height = map(int, options.size.split("x"))
    bench = Bench(options.frames, height, width)
    model = full_size.sdxl(torch.float16)
    check, steps = options.check_steps, options.steps

    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {options.frames} keyframes of {options.size}")
    exact = _in_float32(bench, model, check)
    work = {}
    for is_plain in (True, False):
        with recording_off(), FlopCounterMode(display=False) as counter:
            bench.run(model, check, Way(is_plain=is_plain))
        work[is_plain] = counter.get_total_flops() * steps / check / 1e12
    print(f"work a keyframe: plain {work[True] / options.frames:.0f} TFLOP, ours {work[False] / options.frames:.0f}")
    table = Variants(_HEADER, _line, only=options.only, budget_s=options.budget_s, file=options.json)

    def measure(name: str, way: Way, *, prepare: Callable[[], object] = lambda: None) -> None:
        def measured() -> Row:
            prepare()
            with contextlib.nullcontext() if way.is_plain else tuned_for_gpu(model.unet, model.controlnet):
                checked, _, _ = bench.run(model, check, way)  # warm-up too
                torch.cuda.reset_peak_memory_stats()
                final, invert_s, sample_s = bench.run(model, steps, way)
            peak_gb = torch.cuda.max_memory_allocated() / 2**30
            total = invert_s + sample_s
            error = float((checked - exact).abs().max() / exact.abs().max())
            # The first exact run of all steps is what the approximations are held to.
            finals.setdefault("ours", final) if not way.is_plain and not way.is_approximate else None
            drift = float((final - finals["ours"]).abs().max() / final.abs().max()) if "ours" in finals else math.nan
            tflops = work[way.is_plain] / total
            return Row(name, invert_s, sample_s, total / options.frames, tflops, peak_gb, error, drift)

        table.run(name, measured)

    finals: dict[str, Tensor] = {}

    def compiled() -> None:
        for part in (model.unet, model.controlnet):
            put_channels_last(part)
        keep_compiled_code()
        compile_blocks(model.unet, model.controlnet)

    measure("plain", Way(is_plain=True))
    measure("ours", Way())
    measure("ours, compiled", Way(), prepare=compiled)
    measure("+ inverted features", Way(is_source_kept=True), prepare=compiled)
    measure("+ source every 2", Way({"source_every": 2}), prepare=compiled)
    measure("+ control every 2", Way({"control_every": 2}), prepare=compiled)
    measure("+ guided until 0.8", Way({"guided_until": 0.8}), prepare=compiled)
    measure("+ features, control", Way({"control_every": 2}, is_source_kept=True), prepare=compiled)
    measure(
        "+ features, control, guided",
        Way({"control_every": 2, "guided_until": 0.8}, is_source_kept=True),
        prepare=compiled,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--size", default="1024x576")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--check-steps", type=int, default=10)
    parser.add_argument("--budget-s", type=float, help="No variant begins later than so many seconds after the start.")
    parser.add_argument("--only", nargs="*", help="Names of variants.")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


_HEADER = (
    f"{'variant':<28}{'invert s':>10}{'sample s':>10}{'s/keyframe':>12}{'TFLOP/s':>9}{'peak GiB':>10}{'error':>10}"
    f"{'drift':>10}"
)


def _line(row: Row) -> str:
    return (
        f"{row.name:<28}{row.invert_s:>10.2f}{row.sample_s:>10.2f}{row.per_keyframe_s:>12.2f}{row.tflops:>9.0f}"
        f"{row.peak_gb:>10.1f}{row.error:>10.1e}{row.drift:>10.1e}"
    )


def _in_float32(bench: Bench, model: KeyframeModel, steps: int) -> Tensor:
    """The plain result of the same weights in float32; the model is in half precision again afterwards."""
    model.unet.float(), model.controlnet.float()
    final, _, _ = bench.run(model, steps, Way(is_plain=True))
    model.unet.half(), model.controlnet.half()
    torch.cuda.empty_cache()
    return final


if __name__ == "__main__":
    main()
