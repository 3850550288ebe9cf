"""The findings of a built scene, for `validate --deep`."""

from __future__ import annotations

from pathlib import Path

from i2v3d.artifacts.scene import JsonFile


def findings_of(out_dir: Path) -> tuple[str, ...]:
    """Returns what the check of the last build found, a line each."""
    document = JsonFile(out_dir / "check" / "findings.json").read_json()
    return tuple(f"{one['message']}; {one['hint']}" for one in document["findings"])
