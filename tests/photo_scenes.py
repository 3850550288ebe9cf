"""A small made-up photo with one thing in it, and a scene around it, for the stages before the 3D ones."""

from pathlib import Path

import numpy as np

from i2v3d.artifacts.images import Image, Matte
from i2v3d.geometry.frames import Array, Resolution
from i2v3d.spec.resolved import (
    Background,
    Card,
    Keyframing,
    Output,
    Photo,
    Prompts,
    Scene,
    SceneObject,
    SourceCamera,
)

WIDTH, HEIGHT = 160, 120


def sky_and_ground() -> Array:
    """A blue gradient over a brown ground from row 80 on."""
    photo = np.zeros((HEIGHT, WIDTH, 3), np.float64)
    rows = np.arange(HEIGHT)[:, None]
    photo[..., 0], photo[..., 1], photo[..., 2] = 60 + rows * 0.5, 80 + rows * 0.5, 160 - rows * 0.2
    speckle = np.random.default_rng(5).normal(0, 6, (HEIGHT, WIDTH))
    photo[80:] = np.array([120.0, 90.0, 60.0]) + speckle[80:, :, None]
    return photo.clip(0, 255).round().astype(np.uint8)


def disc(x: float = 80.0, y: float = 70.0, radius: float = 25.0) -> Array:
    """Alpha in 0..1 of a disc with a soft edge of two pixels."""
    columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    return np.clip((radius - np.hypot(columns - x, rows - y)) / 2 + 0.5, 0, 1)


def photo_with_disc() -> Array:
    alpha = disc()[..., None]
    thing = np.array([220.0, 60.0, 40.0])
    return (sky_and_ground() * (1 - alpha) + thing * alpha).round().astype(np.uint8)


def written_image(path: Path, pixels: Array) -> Image:
    image = Image(path)
    image.write(pixels)
    return image


def written_matte(path: Path, alpha: Array) -> Matte:
    matte = Matte(path)
    matte.write(np.rint(alpha * 255).astype(np.uint8))
    return matte


def prompts(**changes: object) -> Prompts:
    values: dict[str, object] = {
        "box": None,
        "include_points": (),
        "exclude_points": (),
        "polygons": (),
        "mask_file": None,
        "band_px": 5.0,
        "soft_px": 3.0,
    }
    return Prompts(**(values | changes))  # type: ignore[arg-type]


def octagon(radius: float = 24.0) -> tuple[tuple[float, float], ...]:
    turn = np.arange(8) * np.pi / 4 + 0.3
    return tuple((80 + radius * float(np.cos(t)), 70 + radius * float(np.sin(t))) for t in turn)


def scene(photo: Path) -> Scene:
    """One standing thing in front of ground and backdrop."""
    thing = SceneObject(
        "ball",
        prompts(polygons=(octagon(),)),
        None,
        Card(),
        None,
        None,
        (0, 0, 0),
        None,
        True,
        None,
        "",
        "objects.ball",
    )
    background = Background("ground_and_backdrop", 60.0, None, None, None, None, "metric", 1.0, 100.0, 0.25, 3, 4, ())
    backends = dict.fromkeys(("segment", "inpaint", "background_views", "foreground_mesh"), "embedded")
    size = Resolution(WIDTH, HEIGHT)
    return Scene(
        "test",
        Photo(photo, size, 0, 0, ""),
        Output(size, 24.0, 3),
        SourceCamera(0.8, 1.6),
        (thing,),
        background,
        {},
        (),
        Keyframing((0, 2)),
        "draft",
        backends,
        1,
        {},
    )
