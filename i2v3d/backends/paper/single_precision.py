"""Single precision that is one: GPUs round the factors of convolutions to 10 bits (TF32) unless told otherwise.

A measured value should be the same on any device to as many digits as it is printed with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single_precision() -> Iterator[None]:
    """Inside, nothing is differentiated, and neither convolutions nor products are rounded; after it, as it was."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = False
    try:
        with torch.no_grad():
            yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before
