"""Builds a toy graph in a process of its own: `python toy_build.py FOLDER SHAPE SIZE`; prints what ran, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from toys import Toys

if __name__ == "__main__":
    folder, shape, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    toys = Toys(folder)
    toys.install()
    result = toys.build(getattr(toys, shape)(folder / "source.txt", size))
    print(json.dumps(result.executed))  # noqa: T201 - read by the test that started us
