"""Writes toy.glb, a painted wooden figure of 1.7 m, and shadow.glb, its soft shadow: `python make_toy.py`.

The renderer shows colours as they are, so a thing that is added to a photo brings its light along. The figure
turns in the scene, so its light is that of a bright, even sky: from above, and less where parts are near
each other. Its body is one closed skin round cones with round ends, blended where they meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import marching_cubes

Array = NDArray[np.float64]

HEIGHT_M = 1.7
PITCH = 0.007  # of the height
BLEND = 0.012

WOOD, RED, BLUE, DARK = (222, 178, 124), (176, 44, 36), (46, 66, 108), (52, 34, 26)
CREAM, CHEEK, GOLD = (240, 226, 200), (214, 120, 92), (226, 176, 70)


@dataclass(frozen=True)
class Cone:
    """A cone with round ends, in heights: x to the figure's left, y to its back, z up."""

    colour: tuple[int, int, int]
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float
    end_radius: float
    flat: float = 1.0  # its depth, of its width

    def distance(self, points: Array) -> Array:
        """Returns how far points (n, 3) are outside of it, about."""
        start, end = np.array(self.start), np.array(self.end)
        stretch = np.array([1.0, 1 / self.flat, 1.0])
        way = (end - start) * stretch
        from_start = (points - start) * stretch
        share = np.clip(from_start @ way / (way @ way), 0, 1)
        reach = np.linalg.norm(from_start - share[:, None] * way, axis=1)
        return (reach - self.radius - share * (self.end_radius - self.radius)) * min(1.0, self.flat)

    def mirrored(self) -> Cone:
        """Returns it on the other side."""
        (a, *start), (b, *end) = self.start, self.end
        return Cone(self.colour, (-a, *start), (-b, *end), self.radius, self.end_radius, self.flat)


MIDDLE = (
    Cone(BLUE, (0, 0.004, 0.54), (0, 0.004, 0.59), 0.082, 0.077, 0.74),
    Cone(RED, (0, 0.004, 0.6), (0, 0.002, 0.735), 0.079, 0.1, 0.7),
    Cone(RED, (-0.07, 0, 0.775), (0.07, 0, 0.775), 0.05, 0.05, 0.8),
    Cone(WOOD, (0, 0, 0.8), (0, -0.006, 0.86), 0.034, 0.034),
    Cone(WOOD, (0, -0.012, 0.896), (0, -0.01, 0.932), 0.06, 0.064, 0.95),
    Cone(WOOD, (0, -0.066, 0.902), (0, -0.084, 0.897), 0.011, 0.0085),
    Cone(WOOD, (0, 0.012, 0.925), (0, 0.006, 0.944), 0.06, 0.061),
)
SIDE = (
    Cone(RED, (0.1, 0, 0.785), (0.198, 0, 0.662), 0.042, 0.035),
    Cone(RED, (0.2, 0, 0.66), (0.274, -0.016, 0.562), 0.034, 0.03),
    Cone(WOOD, (0.286, -0.019, 0.546), (0.312, -0.026, 0.51), 0.021, 0.027, 0.8),
    Cone(WOOD, (0.318, -0.029, 0.5), (0.335, -0.034, 0.47), 0.026, 0.019, 0.75),
    Cone(WOOD, (0.302, -0.036, 0.53), (0.302, -0.06, 0.505), 0.013, 0.011),
    Cone(BLUE, (0.053, 0.004, 0.535), (0.064, -0.002, 0.31), 0.064, 0.05),
    Cone(BLUE, (0.064, -0.004, 0.3), (0.069, 0.01, 0.1), 0.048, 0.041),
    Cone(DARK, (0.07, 0.012, 0.075), (0.07, 0.02, 0.037), 0.036, 0.035),
    Cone(DARK, (0.07, 0.02, 0.034), (0.078, -0.075, 0.027), 0.034, 0.028),
)
PARTS = (*MIDDLE, *SIDE, *(part.mirrored() for part in SIDE))


def field(points: Array) -> Array:
    """Returns the distance to the figure's skin, blended between parts, flat under the soles."""
    total = np.zeros(len(points))
    for part in PARTS:
        total += np.exp(-np.clip(part.distance(points), -0.2, 0.3) / (BLEND / 3))
    return np.maximum(-np.log(total) * BLEND / 3, -points[:, 2])


def skin() -> tuple[trimesh.Trimesh, Array]:
    """Returns the figure's surface, in heights, and its outward normals."""
    low, high = np.array([-0.39, -0.14, -0.03]), np.array([0.39, 0.14, 1.04])
    counts = np.ceil((high - low) / PITCH).astype(int)
    axes = [low[axis] + PITCH * np.arange(counts[axis]) for axis in range(3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    values = np.concatenate([field(part) for part in np.array_split(grid, 40)])
    vertices, faces, _, _ = marching_cubes(values.reshape(counts), 0.0, spacing=(PITCH,) * 3)
    mesh = trimesh.Trimesh(vertices + low, faces[:, ::-1])
    if mesh.volume < 0:
        mesh.invert()
    mesh = trimesh.smoothing.filter_taubin(mesh, iterations=6)
    step = 1e-4
    slope = [field(mesh.vertices + step * axis) - field(mesh.vertices - step * axis) for axis in np.eye(3)]
    normals = np.stack(slope, axis=1)
    return mesh, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def step(value: Array, edge: float = 0.0035) -> Array:
    """Returns 0 to 1 over an edge of this width: paint that ends softly over a face or two."""
    share = np.clip(0.5 + value / edge, 0, 1)
    return share * share * (3 - 2 * share)


def painted(points: Array) -> Array:
    """Returns colours (n, 3): the parts' paint, the grain of wood, hair, a face, a belt, buttons and cuffs."""
    near = np.exp(-np.stack([part.distance(points) for part in PARTS], axis=1) / 0.0015)
    near /= near.sum(axis=1, keepdims=True)
    colour = near @ np.array([part.colour for part in PARTS], float)
    is_red = near[:, [part.colour == RED for part in PARTS]].sum(axis=1)
    is_wood = near[:, [part.colour == WOOD for part in PARTS]].sum(axis=1)
    x, y, z = points.T
    is_front, is_trunk, is_head = step(-0.02 - y), step(0.13 - np.abs(x)), step(z - 0.85)
    grain = np.sin(90 * x + 25 * np.sin(9 * z + 4 * x) + 60 * y) * np.sin(37 * z + 3 * np.sin(40 * x))
    colour *= (1 + (0.02 + 0.035 * is_wood) * grain)[:, None]

    def paint(share: Array, with_colour: tuple[int, int, int]) -> None:
        colour[:] += share[:, None] * (np.array(with_colour, float) - colour)

    paint(is_trunk * is_red * step(z - 0.792), CREAM)
    paint((1 - is_trunk) * is_red * step(0.572 - z), CREAM)
    paint(is_trunk * step(0.013 - np.abs(z - 0.604)), DARK)
    paint(is_front * is_trunk * step(0.012 - np.abs(z - 0.604)) * step(0.016 - np.abs(x)), GOLD)
    for height in (0.655, 0.7, 0.745):
        paint(is_front * is_trunk * step(0.009 - np.hypot(x, z - height)), GOLD)
    paint(step(0.012 - z), (30, 20, 16))
    paint(is_head * step(z - 0.952 - 0.9 * np.minimum(-y - 0.02, 0) + 0.1 * np.abs(x)) * step(0.2 - np.abs(y)), DARK)
    for side in (-1, 1):
        eye = np.linalg.norm(points - [0.0255 * side, -0.071, 0.922], axis=1)
        paint(is_front * step(0.0105 - eye), (28, 22, 20))
        blush = np.linalg.norm(points - [0.037 * side, -0.055, 0.893], axis=1) / 0.013
        paint(0.7 * is_wood * np.exp(-(blush**2)), CHEEK)
    smile = np.abs(z - (0.871 + 9.0 * x**2))
    paint(is_front * is_head * step(0.0034 - smile) * step(0.027 - np.abs(x)), (130, 42, 34))
    return colour


def light(points: Array, normals: Array) -> Array:
    """Returns the brightness (n,): of an even sky, less towards the ground and where the skin is folded."""
    sky = 0.66 + 0.34 * normals[:, 2]
    side = 0.07 * normals @ np.array([0.5, -0.7, 0.5])
    open_share = np.ones(len(points))
    for reach in (0.012, 0.03, 0.06):
        open_share -= 0.3 * np.clip(1 - field(points + reach * normals) / reach, 0, 1)
    ground = 1 - 0.25 * np.exp(-points[:, 2] / 0.03) * (normals[:, 2] < 0.3)
    return np.clip(sky + side, 0, 1.1) * open_share.clip(0.35, 1) * ground


def figure() -> trimesh.Trimesh:
    """Returns the figure, Y up as glTF has it, with a colour per vertex."""
    mesh, normals = skin()
    colour = painted(mesh.vertices) * light(mesh.vertices, normals)[:, None]
    gloss = np.clip(normals @ np.array([0.35, -0.45, 0.82]) - 0.9, 0, 1)[:, None] * 260
    colour = np.clip(colour * 1.06 + gloss, 0, 255).astype(np.uint8)
    vertices = mesh.vertices * HEIGHT_M
    turned = np.stack([vertices[:, 0], vertices[:, 2], -vertices[:, 1]], axis=1)
    made = trimesh.Trimesh(turned, mesh.faces, process=False)
    made.visual.vertex_colors = np.hstack([colour, np.full((len(colour), 1), 255, np.uint8)])
    return made


def shadow() -> trimesh.Trimesh:
    """Returns a flat ellipse, Y up, dark in the middle and clear at its edge."""
    axis = np.linspace(-1, 1, 128)
    away = np.hypot(*np.meshgrid(axis, axis))
    dark = 0.47 * np.clip(1 - away, 0, 1) ** 1.3 * np.clip(1.6 - away, 0, 1)
    pixels = np.zeros((128, 128, 4), np.uint8)
    pixels[..., 3] = np.round(255 * dark)
    corners = np.array([[-0.5, 0, -0.36], [0.5, 0, -0.36], [0.5, 0, 0.36], [-0.5, 0, 0.36]])
    corners[:, 1] = 0.002
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(pixels), alphaMode="BLEND")
    visual = trimesh.visual.TextureVisuals(uv=[[0, 0], [1, 0], [1, 1], [0, 1]], material=material)
    return trimesh.Trimesh(corners, [[0, 2, 1], [0, 3, 2]], visual=visual, process=False)


if __name__ == "__main__":
    figure().export(Path(__file__).with_name("toy.glb"))
    shadow().export(Path(__file__).with_name("shadow.glb"))
