from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "execute"))

from toys import source, toys

__all__ = ["source", "toys"]
