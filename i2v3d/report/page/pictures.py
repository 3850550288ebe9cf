"""The pictures of a page: read from a build's stored drawings, packed so that a browser unpacks them one by one."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from i2v3d.execute.finished import FinishedBuild
from i2v3d.store.outputs import StoredFile, StoredOutput

_STAGE_OF = {"result": "draw_result"}  # every other layer is an output of `draw_passes`
_LAYERS = ("result", "render", "depth", "objects", "unobserved", "flow")


@dataclass(frozen=True)
class Pack:
    """Files one after the other. encoding: `gzip` where all of it is packed once more."""

    name: str
    media_type: str
    sizes: tuple[int, ...]
    text: str = field(repr=False)
    encoding: str = ""


def packed(name: str, media_type: str, files: Sequence[bytes]) -> Pack:
    """Returns files that are small already, such as pictures."""
    return Pack(name, media_type, tuple(map(len, files)), base64.b64encode(b"".join(files)).decode())


def packed_tightly(name: str, media_type: str, data: bytes) -> Pack:
    """Returns one file, gzipped; equal bytes give equal text."""
    small = gzip.compress(data, 9, mtime=0)
    return Pack(name, media_type, (len(data),), base64.b64encode(small).decode(), "gzip")


def layer_packs(finished: FinishedBuild, frame_count: int) -> tuple[Pack, ...]:
    """Returns the layers of which every frame was drawn, the finished frames first."""
    packs = []
    for layer in _LAYERS:
        files = layer_items(finished, layer)
        if len(files) == frame_count:
            is_overlay = layer in ("objects", "unobserved")
            packs.append(packed(layer, "image/png" if is_overlay else "image/webp", files))
    return tuple(packs)


def layer_items(finished: FinishedBuild, layer: str) -> list[bytes]:
    """Returns the drawings of a layer in the order of the clip, as far as there are any."""
    stage = _STAGE_OF.get(layer, "draw_passes")
    return [blob(finished, item.files[0]) for output in _outputs(finished, stage, layer) for item in output.items]


def facts_of_frames(finished: FinishedBuild) -> list[dict[str, float]]:
    """Returns what was measured while the passes were drawn, by frame."""
    facts: list[dict[str, float]] = []
    for output in _outputs(finished, "draw_passes", "facts"):
        facts += json.loads(blob(finished, output.files[0]))
    return facts


def files_of(finished: FinishedBuild, step: str, output: str) -> dict[str, bytes]:
    """Returns the files of an output by their path in it, empty for a single file; nothing where it was not made."""
    stored = finished.records[step].outputs.get(output) if step in finished.records else None
    return {file.path: blob(finished, file) for file in stored.files} if stored else {}


def blob(finished: FinishedBuild, file: StoredFile) -> bytes:
    """Returns the bytes of a stored file."""
    return finished.store.objects.path(file.digest).read_bytes()


def data_uri(media_type: str, data: bytes) -> str:
    """Returns a file as an address."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def small_picture(file: Path, longest_px: int) -> str | None:
    """Returns a picture file as a small WebP's address; None where it can't be read."""
    from PIL import Image as Pillow

    try:
        with Pillow.open(file) as picture:
            small = picture.convert("RGB")
    except OSError:
        return None
    small.thumbnail((longest_px, longest_px), Pillow.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=82, method=2)
    return data_uri("image/webp", out.getvalue())


def _outputs(finished: FinishedBuild, stage: str, output: str) -> Iterator[StoredOutput]:
    """Yields an output of every step of a stage in the order of the clip, which is that of the graph."""
    names = [name for name, node in finished.graph.nodes.items() if node.stage == stage]
    for name in sorted(names, key=_first_frame):
        if name in finished.records:
            yield finished.records[name].outputs[output]


def _first_frame(name: str) -> int:
    return int(name.partition("[")[2].rstrip("]").partition("-")[0])
