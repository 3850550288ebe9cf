"""Makes a light copy of the scene's .glb for the report: small textures, JPEG where nothing is transparent.

Where that is still too much for a page, what deforms over time is left in its rest shape; the delivered scene.glb
has it all.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from i2v3d.artifacts.scene import Glb
from i2v3d.errors import StageError
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_TEXTURE_PX = 1024
_JPEG_QUALITY = 82
_MOST_BYTES = 5_000_000
_MAGIC, _JSON, _BINARY = 0x46546C67, 0x4E4F534A, 0x004E4942

Document = dict[str, Any]  # Any: JSON of a glTF file


@dataclass(frozen=True)
class Inputs:
    """The scene as Blender exported it."""

    glb: Glb


@dataclass(frozen=True)
class Params:
    """`texture_px`: longest side of a texture; `most_bytes`: above it, shapes over time are left out."""

    texture_px: int = _TEXTURE_PX
    most_bytes: int = _MOST_BYTES


@dataclass(frozen=True)
class Outputs:
    """The light copy."""

    glb: Glb


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields the one node."""
    yield Node("draw_scene", "draw_scene", Params(), {"glb": OutputRef("assemble", "glb")})


@stage("draw_scene", version=1, nodes=nodes, resources=Resources(memory_gb=0.5))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Rewrites the file.

    Raises:
        StageError: It is not a binary glTF file with one buffer.
    """
    document, binary = read_glb(inputs.glb.path.read_bytes())
    views = [_view(document, binary, index) for index in range(len(document.get("bufferViews", [])))]
    for image in document.get("images", []):
        if "bufferView" in image:
            small, image["mimeType"] = small_texture(views[image["bufferView"]], params.texture_px)
            views[image["bufferView"]] = small
    light = write_glb(document, views)
    if len(light) > params.most_bytes:
        light = write_glb(*without_morphs(document, views))
    outputs = Outputs(Glb(work.output("glb")))
    outputs.glb.path.write_bytes(light)
    return outputs


def read_glb(data: bytes) -> tuple[Document, bytes]:
    """Returns the JSON and the binary chunk; raises as `run` does."""
    try:
        magic, _, _ = struct.unpack_from("<III", data)
        length, kind = struct.unpack_from("<II", data, 12)
        document = json.loads(data[20 : 20 + length])
        if magic != _MAGIC or kind != _JSON or len(document.get("buffers", [])) > 1:
            raise ValueError
    except (struct.error, ValueError) as error:
        raise StageError("the scene's glb is not a binary glTF file with one buffer") from error
    start = 20 + length + 8
    return document, data[start:]


def small_texture(data: bytes, longest_px: int) -> tuple[bytes, str]:
    """Returns a picture of at most this size, and its type: JPEG where it is opaque, else PNG."""
    from PIL import Image as Pillow

    with Pillow.open(io.BytesIO(data)) as picture:
        picture.load()
        is_opaque = "A" not in picture.getbands() or picture.getchannel("A").getextrema()[0] == 255
        small = picture.convert("RGB" if is_opaque else "RGBA")
        small.thumbnail((longest_px, longest_px), Pillow.Resampling.LANCZOS)
    out = io.BytesIO()
    if is_opaque:
        small.save(out, "JPEG", quality=_JPEG_QUALITY)
    else:
        small.save(out, "PNG", compress_level=6)
    return out.getvalue(), "image/jpeg" if is_opaque else "image/png"


def without_morphs(document: Document, views: list[bytes]) -> tuple[Document, list[bytes]]:
    """Returns the scene without shape keys and their animation, with only the data that is still used."""
    light: Document = json.loads(json.dumps(document))
    for mesh in light.get("meshes", []):
        mesh.pop("weights", None)
        for primitive in mesh["primitives"]:
            primitive.pop("targets", None)
    for animation in light.get("animations", []):
        animation["channels"] = [item for item in animation["channels"] if item["target"]["path"] != "weights"]
        used = sorted({channel["sampler"] for channel in animation["channels"]})
        animation["samplers"] = [animation["samplers"][index] for index in used]
        for channel in animation["channels"]:
            channel["sampler"] = used.index(channel["sampler"])
    light["animations"] = [animation for animation in light.get("animations", []) if animation["channels"]]
    if not light["animations"]:
        del light["animations"]
    kept = {accessor["bufferView"] for accessor in _used_accessors(light) if "bufferView" in accessor}
    kept |= {image["bufferView"] for image in light.get("images", []) if "bufferView" in image}
    return light, [view if index in kept else b"" for index, view in enumerate(views)]


def _used_accessors(document: Document) -> Iterator[Mapping[str, Any]]:
    accessors = document.get("accessors", [])
    for mesh in document.get("meshes", []):
        for primitive in mesh["primitives"]:
            yield from (accessors[index] for index in primitive["attributes"].values())
            if "indices" in primitive:
                yield accessors[primitive["indices"]]
    for animation in document.get("animations", []):
        for sampler in animation["samplers"]:
            yield accessors[sampler["input"]]
            yield accessors[sampler["output"]]
    for skin in document.get("skins", []):
        if "inverseBindMatrices" in skin:
            yield accessors[skin["inverseBindMatrices"]]


def write_glb(document: Document, views: list[bytes]) -> bytes:
    """Returns the file whose buffer views hold these bytes; an empty one is dropped with the accessors that read it."""
    light: Document = json.loads(json.dumps(document))
    binary, kept = bytearray(), {}
    described: list[Document] = []
    for index, (view, data) in enumerate(zip(document.get("bufferViews", []), views, strict=True)):
        if not data:
            continue
        kept[index] = len(described)
        described.append({**view, "buffer": 0, "byteOffset": len(binary), "byteLength": len(data)})
        binary += data + bytes(-len(data) % 4)
    for image in light.get("images", []):
        if "bufferView" in image:
            image["bufferView"] = kept[image["bufferView"]]
    for accessor in light.get("accessors", []):
        if accessor.get("bufferView") in kept:
            accessor["bufferView"] = kept[accessor["bufferView"]]
        else:
            accessor.pop("bufferView", None)  # nothing refers to it, and without data it counts as zeros
            accessor.pop("sparse", None)
    light["bufferViews"], light["buffers"] = described, [{"byteLength": len(binary)}]
    text = json.dumps(light, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    size = 12 + 8 + len(text) + 8 + len(binary)
    head = struct.pack("<III", _MAGIC, 2, size) + struct.pack("<II", len(text), _JSON)
    return head + text + struct.pack("<II", len(binary), _BINARY) + bytes(binary)


def _view(document: Document, binary: bytes, index: int) -> bytes:
    view = document["bufferViews"][index]
    start = view.get("byteOffset", 0)
    return binary[start : start + view["byteLength"]]
