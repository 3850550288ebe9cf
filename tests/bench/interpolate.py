"""Times the frames between two keyframes on a GPU beside a plain implementation, with random weights of SVD's size.

    python tests/bench/interpolate.py [--frames 16] [--size 1024x576] [--steps 25] [--budget-s 200] [--json FILE]

Every variant is warmed up over `--check-steps` steps and then run over `--timed-steps` of them (all, if not given), and
`(t - t_check) / (timed - check)` seconds are added for each step beyond. Seconds include inversion both ways and
sampling, not the autoencoder. Errors are those of the final latents of the warm-up, relative to
the largest magnitude, against the plain implementation in float32; `--reference float16` takes the plain one as it is.
TFLOP/s count the work that a variant does, not that of the plain one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from i2v3d.diffusion.compiling import compile_blocks, keep_compiled_code, put_channels_last, tuned_for_gpu
from i2v3d.diffusion.features import Storage
from i2v3d.diffusion.inversion import Inversion, Keeping, invert_clip
from i2v3d.diffusion.noise_levels import EulerLevels
from i2v3d.diffusion.schedule import VideoSchedule
from i2v3d.diffusion.video_model import ClipControl, ImageCondition, VideoModel
from i2v3d.diffusion.video_sampling import ClipGuide, Trajectory, VideoSettings, sample_clip, start_clip
from tests.bench import full_size
from tests.bench.plain_clip import PlainClip
from tests.bench.variants import Timer, Variants


@dataclass(frozen=True)
class Row:
    """One line of the table; seconds are those of all steps."""

    name: str
    timed_steps: int
    invert_s: float
    sample_s: float
    interval_s: float
    tflops: float
    peak_gb: float
    features_gb: float
    error: float


@dataclass(frozen=True)
class Way:
    """How a variant does it.

    Attributes:
        storage: Where features of the inversion are kept; None evaluates the source again.
        is_plain: The plain implementation.
        options: Fields of `VideoSettings`.
    """

    storage: Storage | None = None
    is_plain: bool = False
    options: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What one run gave."""

    final: Tensor
    invert_s: float
    sample_s: float
    features_gb: float


class Bench:
    """The inputs of all variants."""

    def __init__(self, frames: int, height: int, width: int) -> None:
        self.renders = full_size.renders(frames, height, width)
        draw = torch.Generator().manual_seed(7)
        self.clean = self.renders.latents[None]
        self.noise = torch.randn(self.clean.shape, generator=draw).to(full_size.DEVICE)
        self.guide = ClipGuide(ClipControl((2 * self.renders.depth - 1)[None]), self.renders.is_visible)
        self.images = [self._image(draw, self.clean[:, frame : frame + 1]) for frame in (0, -1 % frames)]

    def _image(self, draw: torch.Generator, latents: Tensor) -> ImageCondition:
        embedding = torch.randn(1, 1, 1024, generator=draw).to(full_size.DEVICE)
        return ImageCondition(embedding, latents.repeat(1, self.clean.shape[1], 1, 1, 1))

    def run(self, model: VideoModel, steps: int, way: Way) -> Outcome:
        """A whole interval of so many steps."""
        levels = EulerLevels.of(full_size.euler(), steps)
        settings = VideoSettings(VideoSchedule(steps), **way.options)
        keeping = None if way.storage is None else Keeping(settings.schedule, way.storage)
        with Timer() as inverting:
            inversions = [
                invert_clip(
                    model,
                    self.clean.flip(1) if is_backward else self.clean,
                    levels=levels,
                    image=image,
                    control=self.guide.control.reversed_in_time() if is_backward else self.guide.control,
                    keeping=keeping,
                )
                for is_backward, image in enumerate(self.images)
            ]
        kept = sum(part.size_bytes for inversion in inversions for part in inversion.features.values())
        start = start_clip(inversions[0], self.noise, self.guide.is_visible, levels)
        ways = [_trajectory(*pair) for pair in zip(inversions, self.images, strict=True)]
        with Timer() as sampling:
            if way.is_plain:
                final = PlainClip(model, levels, settings).sample(start, *ways, self.guide)
            else:
                final = sample_clip(
                    model,
                    start,
                    levels=levels,
                    forward=ways[0],
                    backward=ways[1],
                    guide=self.guide,
                    settings=settings,
                )
        return Outcome(final, inverting.seconds, sampling.seconds, kept / 2**30)

    def work_of_a_pass(self, model: VideoModel) -> tuple[float, float]:
        """TFLOP of the UNet and of the ControlNet over all frames of one branch."""
        counts = []
        for scale in (0.0, 1.0):
            control = ClipControl(self.guide.control.depth, scale)
            with FlopCounterMode(display=False) as counter:
                model.predict_velocity(
                    self.clean, sigma=1.0, timestep=torch.tensor(0.0), image=self.images[0], control=control
                )
            counts.append(counter.get_total_flops() / 1e12)
        return counts[0], counts[1] - counts[0]


def _trajectory(inversion: Inversion, image: ImageCondition) -> Trajectory:
    nothing = ImageCondition(torch.zeros_like(image.embedding), torch.zeros_like(image.latents))
    return Trajectory(inversion, image, ImageCondition.stacked((nothing, image)))


def passes(steps: int, way: Way) -> tuple[float, float]:
    """How often the UNet and the ControlNet are evaluated over all frames of one branch."""
    if way.is_plain:
        return 8.0 * steps, 8.0 * steps
    every_back, every_control = way.options.get("backward_every", 1), way.options.get("control_every", 1)
    source = 2 * steps if way.storage is None else 2  # the first step's is none of the inversion's
    back = -(-steps // every_back)
    asked = -(-steps // every_control) + -(-steps // max(every_back, every_control))
    return 2 * steps + source + 2 * (steps + back), 2 * steps + source + 2 * asked


def main() -> None:
    """Runs every variant and prints the table."""
    options = _options()
    width, height = map(int, options.size.split("x"))
    bench = Bench(options.frames, height, width)
    model = full_size.svd(torch.float16)
    unet_work, control_work = bench.work_of_a_pass(model)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {options.frames} frames of {options.size}")
    print(f"work of a pass: UNet {unet_work:.1f} TFLOP, ControlNet {control_work:.1f} TFLOP", flush=True)
    check, timed = options.check_steps, options.timed_steps or options.steps
    exact = _reference(bench, model, check, options.reference)
    table = Variants(_HEADER, _line, only=options.only, budget_s=options.budget_s, file=options.json)

    def measure(name: str, way: Way, *, prepare: Callable[[], object] = lambda: None, steps: int = timed) -> None:
        def measured() -> Row:
            prepare()
            with tuned_for_gpu(model.unet, model.controlnet) if not way.is_plain else torch.no_grad():
                if not way.is_plain:  # of which the reference was the warm-up
                    bench.run(model, check, way)
                checked = bench.run(model, check, way)
                torch.cuda.reset_peak_memory_stats()
                outcome = checked if steps == check else bench.run(model, steps, way)
            peak_gb = torch.cuda.max_memory_allocated() / 2**30
            invert_s, sample_s = (
                _extrapolated(getattr(checked, part), getattr(outcome, part), check, steps, options.steps)
                for part in ("invert_s", "sample_s")
            )
            unet, control = passes(options.steps, way)
            interval_s = invert_s + sample_s
            return Row(
                name,
                steps,
                invert_s,
                sample_s,
                interval_s,
                (unet * unet_work + control * control_work) / interval_s,
                peak_gb,
                outcome.features_gb,
                float((checked.final - exact).abs().max() / exact.abs().max()),
            )

        table.run(name, measured)

    def compiled() -> None:
        for part in (model.unet, model.controlnet):
            put_channels_last(part)
        keep_compiled_code()
        compile_blocks(model.unet, model.controlnet)

    measure("plain", Way(is_plain=True), steps=min(timed, options.plain_steps))
    measure("ours, source again", Way(), steps=min(timed, options.plain_steps))
    measure("ours, on host", Way("host"), steps=min(timed, options.plain_steps))
    measure("ours, on device", Way("device"), steps=min(timed, options.plain_steps))
    measure("ours, compiled", Way("device"), prepare=compiled)
    measure("+ backward every 2", Way("device", options={"backward_every": 2}), prepare=compiled)
    measure("+ control every 2", Way("device", options={"control_every": 2}), prepare=compiled)
    measure("+ both", Way("device", options={"backward_every": 2, "control_every": 2}), prepare=compiled)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", default="1024x576")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--check-steps", type=int, default=3)
    parser.add_argument("--timed-steps", type=int, help="Steps that are run; seconds of the others are extrapolated.")
    parser.add_argument("--plain-steps", type=int, default=25, help="The same of what isn't compiled.")
    parser.add_argument("--reference", choices=("float32", "float16"), default="float32")
    parser.add_argument("--budget-s", type=float, help="No variant begins later than so many seconds after the start.")
    parser.add_argument("--only", nargs="*", help="Names of variants.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if min(options.steps, options.check_steps, options.timed_steps or 2, options.plain_steps) < 2:
        parser.error("inversion takes two steps at the least")
    return options


def _extrapolated(checked_s: float, timed_s: float, check: int, timed: int, steps: int) -> float:
    """Seconds of all steps: each step beyond those timed costs as much as those between check and timed."""
    if timed == check:
        return timed_s * steps / timed
    return timed_s + (timed_s - checked_s) / (timed - check) * (steps - timed)


_HEADER = (
    f"{'variant':<28}{'steps':>6}{'invert s':>10}{'sample s':>10}{'s/interval':>12}{'TFLOP/s':>9}{'peak GiB':>10}"
    f"{'kept GiB':>10}{'error':>10}"
)


def _line(row: Row) -> str:
    return (
        f"{row.name:<28}{row.timed_steps:>6}{row.invert_s:>10.2f}{row.sample_s:>10.2f}{row.interval_s:>12.2f}"
        f"{row.tflops:>9.0f}{row.peak_gb:>10.1f}{row.features_gb:>10.1f}{row.error:>10.1e}"
    )


def _reference(bench: Bench, model: VideoModel, steps: int, precision: str) -> Tensor:
    """The plain result of the same weights; the model is in half precision again afterwards."""
    if precision == "float32":
        model.unet.float(), model.controlnet.float()
    final = bench.run(model, steps, Way(is_plain=True)).final
    model.unet.half(), model.controlnet.half()
    torch.cuda.empty_cache()
    return final


if __name__ == "__main__":
    main()
