"""The device that models run on, and how much of its memory they may take.

Both come from the environment of the worker process, where `--device` and `--vram` put them: they are never part of a
step's key, since they may not change its result beyond the stage's tolerance.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from i2v3d.errors import MissingBackendError

if TYPE_CHECKING:
    import torch

DEVICE_VARIABLE = "I2V3D_DEVICE"
VRAM_VARIABLE = "I2V3D_VRAM_GB"
GIB = 2**30


@dataclass(frozen=True)
class Device:
    """Where models run.

    Attributes:
        torch_device: Torch's name of it.
        vram_gb: What models may take of its memory, in GiB.
    """

    torch_device: torch.device
    vram_gb: float


def open_device() -> Device:
    """Returns the device and the memory budget of this process.

    The device is that of `I2V3D_DEVICE` (`cuda`, `cuda:1`, `mps`, `cpu`), else the first GPU, else the CPU. The budget
    is that of `I2V3D_VRAM_GB`, else all that the device has.

    Raises:
        MissingBackendError: Torch can't use that device on this machine.
    """
    name = os.environ.get(DEVICE_VARIABLE) or _default_device()
    device = _checked(name)
    has_gb = memory_gb(device)
    given = os.environ.get(VRAM_VARIABLE)
    return Device(device, min(float(given), has_gb) if given else has_gb)


def describe_device() -> dict[str, object]:
    """Returns `execute.devices.DeviceFacts` as JSON, or the `message` and `hint` of what is wrong."""
    import torch

    try:
        device = open_device()
    except MissingBackendError as error:
        return {"message": error.message, "hint": error.hint}
    place = device.torch_device
    total_gb = memory_gb(place)
    is_cuda = place.type == "cuda"
    return {
        "name": str(place),
        "title": torch.cuda.get_device_name(place) if is_cuda else "",
        "total_gb": total_gb,
        "free_gb": torch.cuda.mem_get_info(place)[0] / GIB if is_cuda else _free_host_gb(),
        "budget_gb": device.vram_gb,
        "host_gb": memory_gb(torch.device("cpu")),
        "torch": torch.__version__,
    }


def _free_host_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") / GIB if hasattr(os, "sysconf") else 0.0


def memory_gb(device: torch.device) -> float:
    """Returns all the memory of a device, in GiB; the machine's for the CPU and for MPS, which share it."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory / GIB
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB


def _default_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _checked(name: str) -> torch.device:
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise MissingBackendError(f"`{name}` is no device", hint="give cuda, cuda:1, mps or cpu") from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            has = f"{count} CUDA devices" if count else "no CUDA device that torch can use"
            raise MissingBackendError(
                f"there is no device `{name}`: this machine has {has}",
                hint="give --device cpu, or install a build of torch for your GPU",
            )
        return torch.device("cuda", device.index or 0)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise MissingBackendError("there is no device `mps` on this machine", hint="give --device cpu")
    if device.type not in ("cpu", "mps"):
        raise MissingBackendError(f"device `{name}` is not supported", hint="give cuda, cuda:1, mps or cpu")
    return device
