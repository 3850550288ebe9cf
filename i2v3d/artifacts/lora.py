"""A LoRA on disk: one safetensors file with the names that diffusers, ComfyUI and other programs load.

These are the names of kohya's trainer with the layers as diffusers calls them, `lora_unet_<layer>.lora_down.weight`:
ComfyUI's key table has no entry for peft's `unet.<layer>.lora_A.weight` of attention layers and would leave them out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from i2v3d.artifacts.base import Artifact
from i2v3d.errors import ArtifactError
from i2v3d.geometry.frames import Array

_MOST_HEADER_BYTES = 100_000_000
_DOWN, _UP = ".lora_down.weight", ".lora_up.weight"
_DTYPES = {"float16": "F16", "float32": "F32", "float64": "F64"}


@dataclass(frozen=True)
class Lora(Artifact):
    """Low-rank weights: by layer `down` (rank, inputs), `up` (outputs, rank), and `alpha`; float32.

    The change of a layer's weights is `alpha / rank * up @ down`.
    """

    suffix: ClassVar[str] = ".safetensors"

    def write(self, factors: Mapping[str, tuple[Array, Array]], *, base_model: str) -> None:
        """Writes `down` and `up` by the layer's name in diffusers; alpha is the rank.

        Args:
            factors: float32, by layer such as `mid_block.attentions.0.transformer_blocks.0.attn1.to_q`.
            base_model: What it is trained for, by its name among trainers, `sdxl_base_v1-0`.
        """
        import numpy as np

        tensors: dict[str, Array] = {}
        ranks = set()
        for layer, (down, up) in factors.items():
            name = f"lora_unet_{layer.replace('.', '_')}"
            tensors |= {name + _DOWN: down, name + _UP: up, f"{name}.alpha": np.float32(down.shape[0]).reshape(())}
            ranks.add(down.shape[0])
        (rank,) = ranks
        metadata = {
            "ss_base_model_version": base_model,
            "ss_network_module": "networks.lora",
            "ss_network_dim": str(rank),
            "ss_network_alpha": str(rank),
        }
        self.path.write_bytes(b"".join(_pieces(tensors, metadata)))

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
        downs, ups = ({name.removesuffix(end) for name in names if name.endswith(end)} for end in (_DOWN, _UP))
        if not downs or downs != ups:
            raise ArtifactError(f"{self.path.name}: its tensors are no pairs of low-rank weights")


def _pieces(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> list[bytes]:
    """Returns a safetensors file in pieces.

    The library writes metadata in random order, so that equal files would differ.
    """
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    data, end = [], 0
    for name, tensor in sorted(tensors.items()):
        start, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": _DTYPES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        data.append(tensor.tobytes())
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *data]
