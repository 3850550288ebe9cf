"""The golden cases and their tiny models, as `tests/golden/README.md` describes them."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

IN_REPO = Path(__file__).resolve().parents[1] / "golden"
BESIDE_REPO = Path(__file__).resolve().parents[3] / "shared" / "golden"

# Of a tensor's largest magnitude; an ablation has to move the result by a hundred times that.
TOLERANCE = 1e-4
ABLATION = 100 * TOLERANCE


@dataclass(frozen=True)
class GoldenCase:
    """Settings and tensors of a case."""

    settings: dict
    tensors: dict

    def mask(self, name):
        """A mask that is stored as an 8-bit image."""
        return self.tensors[name] == 255

    def pictures(self):
        """The rendered frames: `frames 3 height width`, 0 to 1."""
        return self.tensors["frames"].permute(0, 3, 1, 2) / 255.0


def golden_case(kind, name):
    """A case of the repo, or of the folder beside it; skips where it is in neither."""
    for root in (IN_REPO, BESIDE_REPO):
        folder = root / kind / name
        if folder.is_dir():
            settings = json.loads((folder / "case.json").read_text(encoding="utf-8"))
            return GoldenCase(settings, load_file(folder / "tensors.safetensors"))
    pytest.skip(f"golden case {kind}/{name} is neither in tests/golden nor in ../shared/golden")


@cache
def load_model(kind, family, part, dtype=torch.float32):
    """A tiny model, ready to evaluate; shared by all tests, so a test that trains takes a copy."""
    return kind.from_pretrained(IN_REPO / "models" / family / part, torch_dtype=dtype).eval()


def relative_error(got, wanted):
    """The largest difference over the largest magnitude."""
    return float((got - wanted).abs().max() / wanted.abs().max())
