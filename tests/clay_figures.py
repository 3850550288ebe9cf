"""Clay figures made of capsules, for rigs: a humanoid, a four-legged creature, a fish, a bird and a car."""

import numpy as np
import trimesh

CLAY = (188, 104, 74)


def capsule(start, end, radius, count=20):
    start, end = np.array(start, float), np.array(end, float)
    length = float(np.linalg.norm(end - start))
    mesh = trimesh.creation.capsule(height=length, radius=radius, count=[count, count])
    mesh.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], (end - start) / length))
    mesh.apply_translation(start)
    return mesh


def _both(parts):
    return [*parts, *[((-a[0], *a[1:]), (-b[0], *b[1:]), r) for a, b, r in parts]]


def humanoid_parts(height=1.7):
    """Capsules (start, end, radius) of a figure with arms held out and down, looking along -y."""
    parts = [
        ((0, 0, 0.57), (0, 0, 0.62), 0.085),
        ((0, 0, 0.66), (0, 0, 0.75), 0.09),
        ((0, 0, 0.8), (0, -0.005, 0.86), 0.035),
        ((0, -0.01, 0.905), (0, -0.01, 0.93), 0.068),
        *_both(
            [
                ((0.04, 0, 0.775), (0.1, 0, 0.785), 0.05),
                ((0.1, 0, 0.785), (0.2, 0, 0.66), 0.036),
                ((0.2, 0, 0.66), (0.29, -0.02, 0.54), 0.029),
                ((0.29, -0.02, 0.54), (0.325, -0.03, 0.49), 0.024),
                ((0.055, 0, 0.54), (0.066, -0.004, 0.3), 0.056),
                ((0.066, -0.004, 0.3), (0.07, 0.01, 0.06), 0.04),
                ((0.07, 0.02, 0.031), (0.075, -0.08, 0.027), 0.028),
            ]
        ),
    ]
    return [(np.array(a) * height, np.array(b) * height, r * height) for a, b, r in parts]


def creature_parts(height=1.0):
    parts = [
        ((0, 0.35, 0.62), (0, -0.3, 0.64), 0.15),
        ((0, -0.38, 0.68), (0, -0.58, 0.88), 0.085),
        ((0, -0.58, 0.88), (0, -0.82, 0.84), 0.09),
        ((0, 0.45, 0.68), (0, 0.7, 0.6), 0.035),
        ((0, 0.7, 0.6), (0, 0.88, 0.5), 0.03),
        *_both(
            [
                part
                for y in (-0.34, 0.36)
                for part in (
                    ((0.1, y, 0.58), (0.11, y, 0.33), 0.07),
                    ((0.11, y, 0.33), (0.11, y, 0.07), 0.05),
                    ((0.11, y, 0.06), (0.11, y - 0.07, 0.05), 0.05),
                )
            ]
        ),
    ]
    return [(np.array(a) * height, np.array(b) * height, r * height) for a, b, r in parts]


def fish_parts():
    return [((0, -0.4 + 0.1 * k, 0.3), (0, -0.3 + 0.1 * k, 0.3), 0.13 - 0.012 * k) for k in range(9)]


def bird_parts():
    return [
        ((0, 0.15, 0.5), (0, -0.15, 0.52), 0.11),
        ((0, -0.2, 0.55), (0, -0.38, 0.7), 0.06),
        ((0, -0.4, 0.74), (0, -0.55, 0.78), 0.055),
        ((0, 0.2, 0.48), (0, 0.55, 0.48), 0.05),
        *_both([((0.1, 0, 0.55), (0.6, 0, 0.57), 0.05), ((0.6, 0, 0.57), (1.1, 0.05, 0.57), 0.035)]),
    ]


def overlapping(parts):
    """Returns the capsules as they are, one inside the other."""
    return trimesh.util.concatenate([capsule(*part) for part in parts])


def solid(parts, pitch):
    """Returns one closed skin round capsules, from the field of their distances."""
    from skimage.measure import marching_cubes

    low = np.min([np.minimum(a, b) - r for a, b, r in parts], axis=0) - 3 * pitch
    high = np.max([np.maximum(a, b) + r for a, b, r in parts], axis=0) + 3 * pitch
    axes = [np.arange(lo, hi, pitch) for lo, hi in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    blend, total = 0.35 * pitch + 0.008, np.zeros(grid.shape[:3])
    for a, b, r in parts:
        a, b = np.array(a), np.array(b)
        share = np.clip((grid - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        distance = np.linalg.norm(grid - (a + share[..., None] * (b - a)), axis=-1) - r
        total += np.exp(-np.clip(distance / blend, -30, 30))
    vertices, faces, _, _ = marching_cubes(-np.log(np.maximum(total, 1e-30)), 0.0, spacing=(pitch,) * 3)
    mesh = trimesh.Trimesh(vertices + low, faces, process=True)
    if mesh.volume < 0:
        mesh.invert()
    return mesh


def car():
    """Returns a car of five pieces, looking along -y."""
    body = trimesh.creation.box((0.9, 2.2, 0.4), transform=trimesh.transformations.translation_matrix((0, 0, 0.5)))
    wheels = []
    for x in (0.45, -0.45):
        for y in (-0.7, 0.7):
            wheel = trimesh.creation.cylinder(0.25, 0.15, sections=24)
            wheel.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (0, 1, 0)))
            wheel.apply_translation((x, y, 0.25))
            wheels.append(wheel)
    return trimesh.util.concatenate([body, *wheels])
