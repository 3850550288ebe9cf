"""What `i2v3d verify` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i2v3d.execute.rebuild import Rebuilt
    from i2v3d.execute.verify import Verification


def verification_text(found: Verification | Rebuilt) -> str:
    """Returns a line each for what is the same, what differs and what was not compared."""
    lines = [f"same     {line}" for line in found.same]
    lines += [f"DIFFERS  {line}" for line in found.differences]
    lines += [f"note     {line}" for line in found.notes]
    return "\n".join(lines)


def title_text(found: Verification) -> str:
    """Returns what was verified, in a line."""
    manifest = found.manifest
    when = manifest.built_at.replace("T", " ").removesuffix("Z")
    return f"{manifest.scene}, built {when} UTC by i2v3d {manifest.i2v3d}"
