"""A LoRA on disk: one safetensors file with the names that diffusers and ComfyUI load."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from i2v3d.artifacts.base import Artifact
from i2v3d.errors import ArtifactError

_MOST_HEADER_BYTES = 100_000_000


@dataclass(frozen=True)
class Lora(Artifact):
    """Low-rank weights, `unet.<layer>.lora_A.weight` and `lora_B.weight`."""

    suffix: ClassVar[str] = ".safetensors"

    def tensor_names(self) -> tuple[str, ...]:
        """Returns the names of the tensors, read from the header without a model library.

        Raises:
            ArtifactError: It is not a safetensors file.
        """
        with self.path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= _MOST_HEADER_BYTES:
                raise ArtifactError(f"{self.path.name}: not a safetensors file")
            try:
                header = json.loads(file.read(length))
            except ValueError as error:
                raise ArtifactError(f"{self.path.name}: not a safetensors file") from error
        return tuple(sorted(name for name in header if name != "__metadata__"))

    def check(self) -> None:
        """Checks that the file holds pairs of low-rank weights."""
        super().check()
        names = self.tensor_names()
        downs = {name.replace(".lora_A.", ".lora_B.") for name in names if ".lora_A." in name}
        if not downs or downs != {name for name in names if ".lora_B." in name}:
            raise ArtifactError(f"{self.path.name}: its tensors are no pairs of low-rank weights")
