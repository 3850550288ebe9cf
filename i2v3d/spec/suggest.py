"""Names: near ones for keys and words that are not known, and a scene's name out of any text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word most like `word`, or None when none is like it."""
    by_folded = {_folded(name): name for name in known}
    folded = _folded(word)
    if folded in by_folded:
        return by_folded[folded]
    close = get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def hint_for(word: str, known: Iterable[str], *, label: str) -> str:
    """Returns "did you mean ...?", or the list of what is known, introduced by `label`."""
    names = sorted(known)
    near = nearest(word, names)
    if near is not None:
        return f"did you mean `{near}`?"
    if not names:
        return f"{label}: none"
    return f"{label}: {', '.join(names)}"


def scene_name(text: str) -> str:
    """Returns the name of a scene, which names a folder, made of any text."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:80] or "scene"


def _folded(word: str) -> str:
    return word.lower().replace("-", "_").replace(" ", "_")
