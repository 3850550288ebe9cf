"""Times the generation of keyframes on a GPU beside a plain implementation, with random weights of SDXL's size.

    python tests/bench/keyframes.py [--frames 5] [--size 1024x576] [--steps 50] [--json FILE]

Every variant is warmed up and run once over all steps, all in one process, one after another; seconds include inversion
and sampling, not the autoencoder. Errors are those of final latents after `--check-steps` steps, against the plain
implementation in float32, relative to the largest magnitude; the plain float16 row says what float16 alone costs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from i2v3d.diffusion.compiling import compile_blocks
from i2v3d.diffusion.graphs import recording_off
from i2v3d.diffusion.inversion import invert_keyframes
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


class Bench:
    """The inputs of all variants."""

    def __init__(self, frames: int, height: int, width: int) -> None:
        self.renders = full_size.renders(frames, height, width)
        draw = torch.Generator().manual_seed(5)
        self.prompts = KeyframePrompts(*(full_size.text(draw) for _ in range(3)))
        self.noise = torch.randn(self.renders.latents.shape, generator=draw).to(full_size.DEVICE)
        self.control = DepthControl(self.renders.depth)

    def run(
        self, model: KeyframeModel, steps: int, *, is_plain: bool, options: Mapping[str, float] = MappingProxyType({})
    ) -> tuple[Tensor, float, float]:
        """Final latents, and seconds of inversion and of sampling."""
        levels = DdimLevels.of(full_size.ddim(), steps)
        settings = KeyframeSettings(KeyframeSchedule(steps), **options)
        with _Timer() as inverting:
            inverted = invert_keyframes(
                model,
                self.renders.latents,
                levels=levels,
                text=self.prompts.inversion,
                control=self.control,
                control_every=settings.control_every,
            )
        guide = KeyframeGuide(inverted, self.renders.is_foreground, self.renders.is_visible)
        start = start_latents(inverted[-1], self.noise, guide.is_visible)
        with _Timer() as sampling:
            if is_plain:
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


class _Timer:
    def __enter__(self) -> _Timer:
        torch.cuda.synchronize()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        torch.cuda.synchronize()
        self.seconds = time.perf_counter() - self._start


def main() -> None:
    """Runs every variant and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--size", default="1024x576")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--check-steps", type=int, default=10)
    parser.add_argument("--only", nargs="*", help="Names of variants.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    bench = Bench(options.frames, height, width)
    model = full_size.sdxl(torch.float16)

    exact = _in_float32(bench, model, options.check_steps)
    rows = []

    def measure(
        name: str, *, is_plain: bool = False, prepare: Callable[[], object] = lambda: None, **approximations: float
    ) -> None:
        if options.only and name not in options.only:
            return
        started = time.perf_counter()
        prepare()
        checked, _, _ = bench.run(model, options.check_steps, is_plain=is_plain, options=approximations)  # warm-up too
        warm_s = time.perf_counter() - started
        torch.cuda.reset_peak_memory_stats()
        _, invert_s, sample_s = bench.run(model, options.steps, is_plain=is_plain, options=approximations)
        peak_gb = torch.cuda.max_memory_allocated() / 2**30
        total = invert_s + sample_s
        error = float((checked - exact).abs().max() / exact.abs().max())
        work = flops["plain" if is_plain else "ours"] * options.steps / options.check_steps / 1e12
        rows.append(Row(name, invert_s, sample_s, total / options.frames, work / total, peak_gb, error))
        print(f"{_line(rows[-1])}   warm-up {warm_s:.0f} s", flush=True)

    flops = {}
    for kind in ("plain", "ours"):
        with recording_off(), FlopCounterMode(display=False) as counter:
            bench.run(model, options.check_steps, is_plain=kind == "plain")
        flops[kind] = counter.get_total_flops()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {options.frames} keyframes of {options.size}")
    print(
        f"work a keyframe: plain {flops['plain'] * options.steps / options.check_steps / options.frames / 1e12:.0f} "
        f"TFLOP, ours {flops['ours'] * options.steps / options.check_steps / options.frames / 1e12:.0f} TFLOP"
    )
    print(_HEADER)
    measure("plain", is_plain=True)
    measure("ours")
    measure("ours, compiled", prepare=lambda: compile_blocks(model.unet, model.controlnet))
    measure("+ control every 2", control_every=2)
    measure("+ source every 2", source_every=2)
    measure("+ both", control_every=2, source_every=2)
    measure("+ both, guided until 0.8", control_every=2, source_every=2, guided_until=0.8)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


_HEADER = (
    f"{'variant':<28}{'invert s':>10}{'sample s':>10}{'s/keyframe':>12}{'TFLOP/s':>9}{'peak GiB':>10}{'error':>10}"
)


def _line(row: Row) -> str:
    return (
        f"{row.name:<28}{row.invert_s:>10.2f}{row.sample_s:>10.2f}{row.per_keyframe_s:>12.2f}{row.tflops:>9.0f}"
        f"{row.peak_gb:>10.1f}{row.error:>10.1e}"
    )


def _in_float32(bench: Bench, model: KeyframeModel, steps: int) -> Tensor:
    """The plain result of the same weights in float32; the model is in half precision again afterwards."""
    model.unet.float(), model.controlnet.float()
    final, _, _ = bench.run(model, steps, is_plain=True)
    model.unet.half(), model.controlnet.half()
    torch.cuda.empty_cache()
    return final


if __name__ == "__main__":
    main()
