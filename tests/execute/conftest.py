from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from toys import source, toys

__all__ = ["source", "toys"]
