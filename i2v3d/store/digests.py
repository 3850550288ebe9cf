"""BLAKE3 digests, as 64 hexadecimal digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from blake3 import blake3

_CHUNK_BYTES = 1 << 20


def digest_bytes(data: bytes) -> str:
    """Returns the digest of bytes."""
    return str(blake3(data).hexdigest())


def digest_file(path: Path) -> str:
    """Returns the digest of a file's content; reads, never maps, since a file that shrinks under a map kills us."""
    hasher = blake3()
    buffer = bytearray(_CHUNK_BYTES)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            hasher.update(view[:count])
    return str(hasher.hexdigest())


def digest_json(document: Any) -> str:
    """Returns the digest of a JSON document in its one canonical text; floats by shortest round trip."""
    return digest_bytes(canonical_text(document).encode())


def canonical_text(document: Any) -> str:
    """Returns the JSON text with sorted keys and no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
