"""A folder as a user has it, with the good and bad files that specs of the tests name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from PIL import Image

PHOTO_SIZE = (640, 427)


def make_project(folder: Path) -> Path:
    """Fills a folder with a photo and what is wrong with others; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", PHOTO_SIZE, (90, 120, 160)).save(folder / "photo.jpg")
    Image.new("L", (400, 400)).save(folder / "square.png")
    Image.new("L", (320, 214)).save(folder / "mask.png")
    frames = [Image.new("RGB", (64, 64), (index * 90, 0, 0)) for index in range(3)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    (folder / "text.png").write_text("this is not a picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "folder.png").mkdir(exist_ok=True)
    (folder / "huge.png").write_bytes(png_header(10_000, 6_000))
    (folder / "vast.png").write_bytes(png_header(50_000, 50_000))
    (folder / "good.glb").write_bytes(b"glTF" + struct.pack("<II", 2, 12))
    (folder / "fake.glb").write_bytes(b"this is not a mesh")
    (folder / "fake.npy").write_bytes(b"this is not an array")
    (folder / "dance.bvh").write_text("HIERARCHY\n")
    for name in ("flow_08.obj", "flow_09.obj", "flow_11.obj", "even_1.obj", "even_01.obj", "plain.obj", "plainer.obj"):
        (folder / "steps").mkdir(exist_ok=True)
        (folder / "steps" / name).write_text("v 0 0 0\n")
    (folder / "fake.abc").write_bytes(b"this is not a cache")
    (folder / "flag.abc").write_bytes(b"Ogawa\xff")
    (folder / "edited.blend").write_bytes(b"BLENDER-v500")
    (folder / "base.yaml").write_text("output: {fps: 24}\n")
    (folder / "circle.yaml").write_text("include: circle.yaml\n")
    (folder / "wrong.yaml").write_text("objects:\n  rocket:\n    segment: [0.1, 0.1, 0.5, 0.5]\n    heigt: 3m\n")
    return folder


def png_header(width: int, height: int) -> bytes:
    """Returns a PNG that claims a size and holds no pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
