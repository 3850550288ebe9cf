"""Which GPUs a build may use, and what tells a worker process which one is its own.

Only the environment and `/dev` are looked at: whether torch can use a device is found out in a child process, and the
process that runs a build never imports it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from i2v3d.backends.device import DEVICE_VARIABLE, VRAM_VARIABLE
from i2v3d.errors import MissingBackendError, UsageError

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_NAME = re.compile(r"(cpu|mps|cuda|cuda:\d+)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(gi?b?|mi?b?)?", re.IGNORECASE)
_PROBE = """
import json
from i2v3d.backends.device import describe_device
print(json.dumps(describe_device()))
"""


@dataclass(frozen=True)
class DeviceOptions:
    """What the command line says of devices; never part of a key.

    Attributes:
        device: `cuda`, `cuda:1`, `mps` or `cpu`; None for the best there is.
        vram_gb: Memory of each device that models may take, in GiB; None for all of it.
    """

    device: str | None = None
    vram_gb: float | None = None


@dataclass(frozen=True)
class DeviceFacts:
    """What torch says of the device that a build would use.

    Attributes:
        name: `cuda:0`, and `title` the maker's name of it.
        total_gb: Its memory, in GiB.
        free_gb: What of it is free now.
        budget_gb: What models may take.
        host_gb: The machine's memory.
        torch: Torch's version.
    """

    name: str
    title: str
    total_gb: float
    free_gb: float
    budget_gb: float
    host_gb: float
    torch: str


def parse_device(text: str) -> str:
    """Returns the name of a device.

    Raises:
        UsageError: It is none.
    """
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise UsageError(f"`{text}` is no device", hint="give cuda, cuda:1, mps or cpu")
    return name


def parse_vram(text: str) -> float:
    """Returns gigabytes of a size such as `12GB`, `11.5` or `8000MB`.

    Raises:
        UsageError: It is no size, or none that a model fits in.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"`{text}` is no amount of memory", hint="for example `--vram 12GB`")
    size_gb = float(match.group(1)) / (1000 if (match.group(2) or "g").lower().startswith("m") else 1)
    if not 1 <= size_gb <= 10_000:
        raise UsageError(
            f"a budget of {size_gb:g} GB can't be right", hint="give 1GB or more, for example `--vram 12GB`"
        )
    return size_gb


def worker_devices(options: DeviceOptions, environment: Mapping[str, str] = os.environ) -> list[dict[str, str]]:
    """Returns the environment of each worker with models: one per GPU, or one where there is none.

    A worker sees only its own GPU, so that nothing of it lands on another.
    """
    variables = {}
    if options.device is not None:
        variables[DEVICE_VARIABLE] = options.device
    if options.vram_gb is not None:
        variables[VRAM_VARIABLE] = f"{options.vram_gb:g}"
    chosen = options.device or environment.get(DEVICE_VARIABLE) or ""
    gpus = visible_gpus(environment)
    if chosen in ("cpu", "mps") or not gpus:
        return [variables]
    if ":" in chosen:
        index = int(chosen.partition(":")[2])
        # One that is not there is left to torch, which says so.
        gpus = gpus[index : index + 1]
        return [{**variables, DEVICE_VARIABLE: "cuda", _VISIBLE: gpus[0]}] if gpus else [variables]
    return [{**variables, _VISIBLE: gpu} for gpu in gpus]


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Returns the names under which CUDA knows the GPUs that this process may use."""
    given = environment.get(_VISIBLE)
    if given is not None:
        named = [name.strip() for name in given.split(",")]
        return [name for name in named if name and name != "-1"]
    return [str(index) for index in range(sum(1 for _ in Path("/dev").glob("nvidia[0-9]*")))]


def probe_device(options: DeviceOptions) -> DeviceFacts:
    """Returns what torch says of the first device, asked in a child process.

    Raises:
        MissingBackendError: Torch is not installed, or can't use that device.
    """
    environment = {**os.environ, **worker_devices(options)[0]}
    command = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{_PROBE}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    try:
        answer = json.loads(run.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise MissingBackendError(f"torch does not start: {last}", hint="pip install 'i2v3d[diffusion]'") from None
    if "message" in answer:
        raise MissingBackendError(answer["message"], hint=answer["hint"])
    return DeviceFacts(**answer)
