"""Times a training step of the LoRA on a full-size SDXL UNet with random weights, and measures its memory.

    python tests/bench/customize.py [--size 1024x1024] [--dtype bf16] [--steps 20] [--json FILE] [--only NAME ...]

Needs a CUDA device, torch and diffusers; no weights, no Blender. With peft installed it also times the plain way, as
diffusers' own training script has it: peft's layers in float32 under autocast, one term after the other. Each row has a
UNet of its own with the same weights, and the rows' first losses and gradients are compared with those of Eq. 1 term by
term (`loss`, `gradient`: relative differences). `--device cpu --tiny` only shows that it runs.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from i2v3d.diffusion.keyframe_model import TextCondition
from i2v3d.diffusion.lora_layers import LoraAdapter, lora_targets
from i2v3d.diffusion.lora_loss import MicroConditioning, TrainingPicture, noise_losses
from i2v3d.diffusion.lora_training import LoraTraining, TrainingSet, TrainingSettings, step_generator, step_terms

RANK, SEED = 32, 1
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
BLOCKS = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "transformer_layers_per_block": [1, 2, 10],
    "addition_embed_type": "text_time",
    "use_linear_projection": True,
    "sample_size": 128,
}
SDXL = {
    **BLOCKS,
    "block_out_channels": (320, 640, 1280),
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
TINY = {
    **BLOCKS,
    "block_out_channels": (8, 16, 32),
    "attention_head_dim": [1, 2, 4],
    "cross_attention_dim": 32,
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 64,
    "norm_num_groups": 4,
}


@dataclass(frozen=True)
class Way:
    """One way to do the same step."""

    name: str
    is_joint: bool = True
    is_recomputed: bool = False
    compiled: str = ""
    is_peft: bool = False


WAYS = (
    Way("peft, autocast, one by one", is_joint=False, is_peft=True),
    Way("peft, autocast, one by one, recomputed", is_joint=False, is_recomputed=True, is_peft=True),
    Way("eager, one by one", is_joint=False),
    Way("eager, one by one, recomputed", is_joint=False, is_recomputed=True),
    Way("eager, together"),
    Way("eager, together, recomputed", is_recomputed=True),
    Way("blocks compiled, together", compiled="blocks"),
    Way("blocks compiled, together, recomputed", is_recomputed=True, compiled="blocks"),
    Way("all compiled, together", compiled="all"),
)


@dataclass
class Row:
    """What was measured; times in seconds, memory in GiB."""

    name: str
    step_s: float
    fastest_s: float
    first_s: float
    peak_gb: float
    tflop_per_s: float
    loss: float
    gradient: float


class Bench:
    """The pictures and settings that every way shares."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.device, self.dtype = torch.device(given.device), DTYPES[given.dtype]
        self.config, self.steps = (TINY if given.tiny else SDXL), given.steps
        height, width = map(int, given.size.split("x"))
        half = torch.zeros(1, height // 8, width // 8, dtype=torch.bool)
        half[:, :, width // 16 :] = True
        photo, view = self._picture(10, height, width, None), self._picture(20, height, width, half)
        self.pictures = TrainingSet((photo,), (((view,),),))
        self.settings = TrainingSettings(1e-4, 1.0, SEED)
        self.alphas = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").alphas_cumprod
        self.reference: tuple[float, torch.Tensor] | None = None
        self.flop = 0

    def _picture(self, seed: int, height: int, width: int, is_learnt: torch.Tensor | None) -> TrainingPicture:
        draw = torch.Generator().manual_seed(seed)
        pooled = self.config["projection_class_embeddings_input_dim"] - 6 * self.config["addition_time_embed_dim"]
        text = TextCondition(
            torch.randn(1, 77, self.config["cross_attention_dim"], generator=draw).to(self.device, self.dtype),
            torch.randn(1, pooled, generator=draw).to(self.device, self.dtype),
        )
        latents = torch.randn(1, 4, height // 8, width // 8, generator=draw).to(self.device)
        return TrainingPicture(latents, text, MicroConditioning(height, width, 0, 0, height, width), is_learnt)

    def unet(self) -> UNet2DConditionModel:
        torch.manual_seed(SEED)
        torch.set_default_dtype(self.dtype)
        try:
            with self.device:
                unet = UNet2DConditionModel(**self.config)
        finally:
            torch.set_default_dtype(torch.float32)
        unet = unet.eval().requires_grad_(False)
        return unet.to(memory_format=torch.channels_last) if self.device.type == "cuda" else unet

    def measure(self, way: Way) -> Row:
        unet = self.unet()
        if way.is_recomputed:
            unet.enable_gradient_checkpointing()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        with self._peft_step(unet) if way.is_peft else self._own_step(unet, way) as (step, gradient):
            loss, first_s = self._timed(step)
            agreement = self._agreement(loss, gradient())
            if not self.flop and not way.is_recomputed and not way.compiled:
                self.flop = self._counted(step)
            for _ in range(2):
                self._timed(step)
            times = [self._timed(step)[1] for _ in range(self.steps)]
        peak = torch.cuda.max_memory_allocated() / 2**30 if self.device.type == "cuda" else 0.0
        median = statistics.median(times)
        return Row(way.name, median, min(times), first_s, peak, self.flop / median / 1e12, *agreement)

    @contextmanager
    def _own_step(
        self, unet: UNet2DConditionModel, way: Way
    ) -> Iterator[tuple[Callable[[], torch.Tensor], Callable[[], torch.Tensor]]]:
        with LoraAdapter(unet, rank=RANK, generator=step_generator(SEED, -1)) as adapter:
            start_at_something(adapter)
            training = LoraTraining(unet, adapter, self.pictures, alphas=self.alphas, settings=self.settings)
            training.evaluate(is_joint=way.is_joint)
            seen: list[torch.Tensor] = []
            take = adapter.take_gradient

            def noted() -> torch.Tensor:
                gradient = take()
                if not seen:
                    seen.append(gradient.clone().cpu())
                return gradient

            adapter.take_gradient = noted  # type: ignore[method-assign]
            if way.compiled == "blocks":
                unet.compile_repeated_blocks(dynamic=False)
            elif way.compiled == "all":
                unet.compile(dynamic=False)
            yield training.advance, lambda: seen[0]
        torch._dynamo.reset()

    @contextmanager
    def _peft_step(
        self, unet: UNet2DConditionModel
    ) -> Iterator[tuple[Callable[[], torch.Tensor], Callable[[], torch.Tensor]]]:
        from peft import LoraConfig

        adapter = LoraAdapter(unet, rank=RANK, generator=step_generator(SEED, -1))
        start_at_something(adapter)
        names = list(lora_targets(unet))
        unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=names, init_lora_weights=False))
        parameters = []
        for name, factors in adapter.factors().items():
            layer = unet.get_submodule(name)
            for part, values in ((layer.lora_A, factors.down), (layer.lora_B, factors.up)):
                part["default"].float().weight.data.copy_(values)
                parameters.append(part["default"].weight)
        optimiser = torch.optim.AdamW(parameters, lr=1e-4)
        seen: list[torch.Tensor] = []
        done = 0

        def step() -> torch.Tensor:
            nonlocal done
            terms = step_terms(self.pictures, self.settings, step=done, timesteps=len(self.alphas))
            total = torch.zeros((), device=self.device)
            is_mixed = self.dtype != torch.float32
            for term in terms:
                with torch.autocast(self.device.type, self.dtype) if is_mixed else nullcontext():
                    loss = noise_losses(unet, (term,), self.alphas)[0] * term.weight
                loss.backward()
                total += loss.detach()
            if not seen:
                seen.append(torch.cat([parameter.grad.flatten() for parameter in parameters]).cpu())
            optimiser.step()
            optimiser.zero_grad()
            done += 1
            return total

        yield step, lambda: seen[0]

    def _timed(self, step: Callable[[], torch.Tensor]) -> tuple[float, float]:
        self._wait()
        began = time.perf_counter()
        loss = step()
        self._wait()
        return float(loss), time.perf_counter() - began

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _counted(self, step: Callable[[], torch.Tensor]) -> int:
        """Floating-point operations of a step, forwards and backwards."""
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            step()
        return counter.get_total_flops()

    def _agreement(self, loss: float, gradient: torch.Tensor) -> tuple[float, float]:
        """Relative difference of the first loss and gradient to the first way's that is Eq. 1 term by term."""
        if self.reference is None:
            self.reference = loss, gradient
        wanted_loss, wanted = self.reference
        return abs(loss / wanted_loss - 1), float((gradient - wanted).norm() / wanted.norm())


def start_at_something(adapter: LoraAdapter) -> None:
    """Makes `up` other than zero, so that gradients of `down` say something."""
    draw = step_generator(SEED, -3)
    for factors in adapter.factors().values():
        factors.up.copy_(0.01 * torch.randn(factors.up.shape, generator=draw))
    adapter.publish()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1024x1024", help="height x width")
    parser.add_argument("--dtype", default="bf16", choices=DTYPES)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="+", help="parts of names")
    given = parser.parse_args()
    bench, rows = Bench(given), []
    name = torch.cuda.get_device_name() if bench.device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {given.size}, {given.dtype}, rank {RANK}, photo and view per step")
    print(f"{'':40} {'s/step':>8} {'best':>8} {'first':>8} {'peak GB':>8} {'TFLOP/s':>8} {'loss':>9} {'gradient':>9}")
    for way in WAYS:
        if given.only and not any(part in way.name for part in given.only):
            continue
        try:
            row = bench.measure(way)
        except (ImportError, torch.cuda.OutOfMemoryError) as error:
            print(f"{way.name:40} {type(error).__name__}: {str(error).splitlines()[0][:80]}")
            continue
        finally:
            gc.collect()
        rows.append(row)
        print(
            f"{row.name:40} {row.step_s:8.3f} {row.fastest_s:8.3f} {row.first_s:8.2f} {row.peak_gb:8.1f} "
            f"{row.tflop_per_s:8.0f} {row.loss:9.1e} {row.gradient:9.1e}",
            flush=True,
        )
    report = {"device": name, "torch": torch.__version__, "size": given.size, "dtype": given.dtype}
    text = json.dumps({**report, "rows": [asdict(row) for row in rows]}, indent=1)
    if given.json:
        given.json.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
