"""How a training step is evaluated, by the memory there is; fastest first, and none changes the result but by noise."""

from __future__ import annotations

from dataclasses import dataclass

# Of SDXL at 1024 x 1024 in half precision, in GiB: the UNet with LoRA, gradient and optimiser, then per picture.
_MODEL_GB = 8.0
_KEPT_GB = 17.0
_RECOMPUTED_GB = 3.5
_SDXL_PIXELS = 1024 * 1024


@dataclass(frozen=True)
class StepPlan:
    """How a step is evaluated.

    Attributes:
        is_joint: The photo and the view in one evaluation, else one after the other.
        is_recomputed: Activations are computed again for the gradient (gradient checkpointing), else kept.
    """

    is_joint: bool
    is_recomputed: bool

    def memory_gb(self, pixels: int, *, is_half: bool) -> float:
        """Returns what a step takes, roughly."""
        pictures = 2 if self.is_joint else 1
        each = _RECOMPUTED_GB if self.is_recomputed else _KEPT_GB
        return (_MODEL_GB + pictures * each * pixels / _SDXL_PIXELS) * (1 if is_half else 2)


_GPU_PLANS = (StepPlan(True, False), StepPlan(True, True), StepPlan(False, True))
# One picture after the other always, so that bytes on the CPU do not depend on the memory of the machine.
_CPU_PLANS = (StepPlan(False, False), StepPlan(False, True))


def step_plans(device_type: str, vram_gb: float, pixels: int, *, is_half: bool) -> tuple[StepPlan, ...]:
    """Returns the plans to try, the first that should fit first; each further one takes less.

    Args:
        device_type: Torch's name of the kind of device.
        vram_gb: Memory that may be taken.
        pixels: Of one picture.
        is_half: Whether weights and activations have 16 bits.
    """
    plans = _CPU_PLANS if device_type == "cpu" else _GPU_PLANS
    for index, plan in enumerate(plans):
        if plan.memory_gb(pixels, is_half=is_half) <= vram_gb:
            return plans[index:]
    return plans[-1:]
