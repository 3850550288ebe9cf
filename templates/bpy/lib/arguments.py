"""The command line of a generated script, which runs under plain Python and under Blender alike."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

EMITTED = ("blend", "glb", "cache", "cameras")


@dataclass(frozen=True)
class Arguments:
    """Where to read the assets, where to write, and what."""

    assets: Path
    out: Path
    emit: tuple[str, ...]
    result: Path | None


def parse_arguments(script: Path) -> Arguments:
    """Returns the arguments: all of them under Python, those after `--` under Blender."""
    given = sys.argv[1:]
    if "--" in given:
        given = given[given.index("--") + 1 :]
    elif not sys.argv[0].endswith(script.name):
        given = []  # Blender's own arguments
    parser = argparse.ArgumentParser(prog=script.name, description="Builds the scene and writes it out.")
    parser.add_argument("--assets", type=Path, default=script.parent / "assets", help="folder of the meshes")
    parser.add_argument("--out", type=Path, default=script.parent, help="folder to write to")
    parser.add_argument("--emit", nargs="*", choices=EMITTED, default=["blend"], help="what to write (default: blend)")
    parser.add_argument("--result", type=Path, default=None, help="JSON file that says what was written")
    known = parser.parse_args(given)
    return Arguments(known.assets.resolve(), known.out.resolve(), tuple(known.emit), known.result)
