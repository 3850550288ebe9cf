"""The default renderer: the scene cache drawn off-screen with OpenGL through EGL, on a CPU (Mesa) or a GPU.

Colour: textures are shown as they are, bytes in, bytes out. Objects are drawn far to near, each first
as a depth mask of its solid part and then blended, so that soft edges let what is behind through and
nothing of the object's own back. Edges of the geometry are smoothed by four samples a pixel, but the
texture is read at pixel centres, so that an unmoved view stays exact. Passes are drawn apart, one
sample a pixel, and hold a surface where its alpha is at least one half.
"""

from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from i2v3d.artifacts.scene import FramePasses
from i2v3d.backends.base import RenderedFrame
from i2v3d.backends.embedded.gl_program import Programs, Surface, load_surfaces, make_programs
from i2v3d.backends.embedded.lens import Lens, largest_circle_px, linear_levels, pixel_shifts, shifted, srgb_levels
from i2v3d.backends.embedded.scene_cache import FileIdentity, Moment, Neighbours, files_identity
from i2v3d.blender.system_libraries import debian_packages, egl_libraries
from i2v3d.errors import MissingBackendError
from i2v3d.geometry.frames import Array, Resolution

SAMPLES = 4
BACKGROUND_ID = 1
_NEAREST_SHARE = 1e-4  # the near plane never comes closer than this share of the far plane
_PROBE = "import moderngl; moderngl.create_context(standalone=True, backend='egl', require=330).release()"
_FLOW_LIMIT_PX = 1e6


@dataclass(frozen=True)
class _Box:
    """A part of the frame, whole pixels."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class _Draw:
    """A surface with its `clip_from_mesh` of this frame, the next and the previous one."""

    surface: Surface
    clips: tuple[Array, Array, Array]
    is_deformed: bool

    def with_program(self, program: Any) -> None:
        names = ("clip_from_mesh", "clip_from_mesh_next", "clip_from_mesh_previous")
        for uniform, clip in zip(names, self.clips, strict=True):
            if uniform in program:  # the compiler drops what a program does not use
                program[uniform].write(np.ascontiguousarray(clip.T, np.float32).tobytes())
        self.surface.draw(program, is_deformed=self.is_deformed)


class GlRenderer:
    """Draws frames of a scene cache; keeps the context, and the last scene and size, between calls.

    Raises:
        MissingBackendError: This machine has no EGL, or no driver for it.
    """

    def __init__(self) -> None:
        import moderngl

        _probe_egl()
        self._context = moderngl.create_context(standalone=True, require=330, backend="egl")  # type: ignore[arg-type]  # stub slip
        self._context.front_face = "cw"
        self._programs: Programs = make_programs(self._context)
        self._scene: tuple[Surface, ...] = ()
        self._scene_key: tuple[FileIdentity, ...] = ()
        self._plain: Any = None
        self._passes: Any = None

    def render(self, static: Path, states: tuple[Path, ...], current: int, resolution: Resolution) -> RenderedFrame:
        """Returns the frame `states[current]`, as `backends.base.SceneRenderer` says."""
        surfaces = self._load(static)
        self._size(resolution)
        moments = Neighbours.read(states, current)
        draws = _arrange(surfaces, moments, resolution)
        passes = _passes(*self._draw_passes(draws), moments)
        lens = Lens.of(moments.here)
        if lens is None:
            colour = self._draw_colour(draws, resolution)
        else:
            colour = self._draw_through(lens, surfaces, moments, passes)
        check_drawn(self._context.error, passes.depth_m)
        return RenderedFrame(colour, passes)

    def _draw_through(
        self, lens: Lens, surfaces: tuple[Surface, ...], moments: Neighbours, passes: FramePasses
    ) -> Array:
        """Returns the colours through an open lens: the mean of what its points see."""
        height, width = passes.ids.shape
        resolution = Resolution(width, height)
        focal_px = float(moments.here.image_from_camera[0, 0])
        is_edge = lens.sharp_edges(passes, focal_px)
        points = lens.points(largest_circle_px(lens, passes.depth_m, focal_px))
        light, edge_light = np.zeros((height, width, 3), np.float32), np.zeros((int(is_edge.sum()), 3), np.float32)
        for point in points:
            draws = _arrange(surfaces, lens.seen_from(moments, point), resolution)
            light += linear_levels()[self._draw_plain(draws)]
        light /= len(points)
        some = points[::2] if is_edge.any() else points[:0]
        for point, shift in zip(some, pixel_shifts(len(some)), strict=True):
            draws = _arrange(surfaces, shifted(lens.seen_from(moments, point), shift), resolution)
            edge_light += linear_levels()[self._draw_plain(draws)[is_edge]]
        light[is_edge] = edge_light / max(len(some), 1)
        return srgb_levels(light)

    def _draw_plain(self, draws: list[_Draw]) -> Array:
        """Returns the colours of everything, edges as they fall."""
        self._plain.use()
        self._clear(self._plain)
        for draw in draws:
            self._blend(self._plain, draw)
        return _read(self._plain, 0, components=3, dtype="f1", numpy_type=np.uint8)

    def _draw_colour(self, draws: list[_Draw], resolution: Resolution) -> Array:
        colour = self._draw_background(draws)
        for box in _object_box(draws, resolution):
            colour[box.top : box.bottom, box.left : box.right] = self._draw_smooth(draws, box, resolution)
        return colour

    def _load(self, static: Path) -> tuple[Surface, ...]:
        key = files_identity(static)
        if key != self._scene_key:
            for surface in self._scene:
                surface.release()
            self._scene, self._scene_key = (), ()
            self._scene = load_surfaces(self._context, self._programs, static)
            self._scene_key = key
        return self._scene

    def _size(self, resolution: Resolution) -> None:
        context, size = self._context, (resolution.width, resolution.height)
        if self._plain is not None and self._plain.size == size:
            return
        for framebuffer in (self._plain, self._passes):
            if framebuffer is not None:
                _release(framebuffer)
        self._plain = context.framebuffer([context.renderbuffer(size, 4)], context.depth_renderbuffer(size))
        self._passes = context.framebuffer(
            [context.renderbuffer(size, components, dtype="f4") for components in (1, 1, 2, 2)],
            context.depth_renderbuffer(size),
        )

    def _draw_background(self, draws: list[_Draw]) -> Array:
        self._plain.use()
        self._clear(self._plain)
        for draw in draws:
            if draw.surface.id == BACKGROUND_ID:
                self._blend(self._plain, draw)
        return _read(self._plain, 0, components=3, dtype="f1", numpy_type=np.uint8)

    def _draw_smooth(self, draws: list[_Draw], box: _Box, resolution: Resolution) -> Array:
        """Returns the colours inside a box of the frame, edges smoothed."""
        context, size = self._context, (box.right - box.left, box.bottom - box.top)
        samples = context.framebuffer(
            [context.renderbuffer(size, 4, samples=SAMPLES)], context.depth_renderbuffer(size, samples=SAMPLES)
        )
        resolved = context.framebuffer([context.renderbuffer(size, 4)])
        samples.use()
        samples.viewport = (-box.left, -box.top, resolution.width, resolution.height)
        self._clear(samples)
        for draw in draws:
            self._blend(samples, draw)
        context.copy_framebuffer(resolved, samples)
        pixels = _read(resolved, 0, components=3, dtype="f1", numpy_type=np.uint8)
        _release(samples)
        _release(resolved)
        return pixels

    def _clear(self, framebuffer: Any) -> None:
        import moderngl

        framebuffer.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        self._context.enable_only(moderngl.DEPTH_TEST)
        self._context.depth_func = "<="

    def _blend(self, framebuffer: Any, draw: _Draw) -> None:
        """Draws a surface over what is there: opaque as it is, else its solid part's depth first, then its colour."""
        import moderngl

        if draw.surface.is_opaque:
            draw.with_program(self._programs.colour_opaque)
            return
        context = self._context
        context.enable(moderngl.BLEND)
        context.blend_func = moderngl.ZERO, moderngl.ONE  # depth only
        draw.with_program(self._programs.solid)
        context.blend_func = moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA
        framebuffer.depth_mask = False
        draw.with_program(self._programs.colour)
        framebuffer.depth_mask = True
        context.disable(moderngl.BLEND)

    def _draw_passes(self, draws: list[_Draw]) -> tuple[Array, Array, Array, Array]:
        framebuffer = self._passes
        framebuffer.use()
        self._clear(framebuffer)
        for draw in reversed(draws):  # near things first hide the most
            program = self._programs.passes_opaque if draw.surface.is_opaque else self._programs.passes
            program["half_size"].value = (framebuffer.width / 2, framebuffer.height / 2)
            program["id"].value = float(draw.surface.id)
            draw.with_program(program)
        depth, codes, forward, backward = (
            _read(framebuffer, index, components=components, dtype="f4", numpy_type=np.float32)
            for index, components in enumerate((1, 1, 2, 2))
        )
        return depth[..., 0], codes[..., 0], forward, backward


def check_drawn(gl_error: str, depth_m: Array) -> None:
    """Makes sure that a frame was drawn and read back.

    A driver that runs out of memory leaves what is read as it was, and says so only when it is asked. (What else it
    says is left aside: moderngl itself causes harmless errors.) Once in some thousand frames on a machine under heavy
    load a depth has been seen that was not a number.

    Raises:
        OSError: Of a kind that the engine tries again, in a process of its own.
    """
    if gl_error == "GL_OUT_OF_MEMORY":
        raise OSError(errno.EAGAIN, "OpenGL is out of memory; the frame was not drawn")
    if np.isnan(depth_m.sum(dtype=np.float64)):
        raise OSError(errno.EIO, "OpenGL drew a depth that is not a number")


def _arrange(surfaces: tuple[Surface, ...], moments: Neighbours, resolution: Resolution) -> list[_Draw]:
    """Returns what to draw: the background first, then the objects from far to near."""
    here, after, before = moments.here, moments.after, moments.before
    depths = [_depths(surface, here, index) for index, surface in enumerate(surfaces)]
    near, far = _depth_range(depths)
    draws = []
    for index, surface in enumerate(surfaces):
        now, then, once = (
            _projection(moment, resolution, near, far) @ moment.camera_from_mesh(index, surface.id)
            for moment in (here, after, before)
        )
        name = f"vertices_{surface.id}"
        if name in here.arrays:
            surface.deform((here.arrays[name], after.arrays[name], before.arrays[name]))
        draws.append(_Draw(surface, (now, then, once), name in here.arrays))
    order = sorted(range(len(draws)), key=lambda i: (surfaces[i].id != BACKGROUND_ID, -sum(depths[i]), surfaces[i].id))
    return [draws[index] for index in order]


def _passes(depth: Array, codes: Array, forward: Array, backward: Array, moments: Neighbours) -> FramePasses:
    """Returns the passes from what the shader wrote; codes are twice the id, plus one where observed."""
    for flow in (forward, backward):
        if not np.isfinite(flow.sum(dtype=np.float64)):  # a surface that meets the camera's own plane
            np.nan_to_num(flow, copy=False, posinf=_FLOW_LIMIT_PX, neginf=-_FLOW_LIMIT_PX)
    whole = codes.astype(np.uint16)
    depth[whole == 0] = np.inf
    return FramePasses(
        depth_m=depth,
        ids=(whole >> 1).astype(np.uint8),
        is_observed=(whole & 1).astype(bool),
        flow_forward_px=forward,
        flow_backward_px=backward,
        has_next=moments.has_next,
        has_previous=moments.has_previous,
    )


def _object_box(draws: list[_Draw], resolution: Resolution) -> list[_Box]:
    """Returns the part of the frame that holds all objects with a pixel around them; none when none is in it."""
    boxes = [_box(draw, resolution) for draw in draws if draw.surface.id != BACKGROUND_ID]
    if not boxes:
        return []
    box = _Box(
        max(0, min(box.left for box in boxes) - 1),
        max(0, min(box.top for box in boxes) - 1),
        min(resolution.width, max(box.right for box in boxes) + 1),
        min(resolution.height, max(box.bottom for box in boxes) + 1),
    )
    return [box] if box.left < box.right and box.top < box.bottom else []


def _box(draw: _Draw, resolution: Resolution) -> _Box:
    vertices = draw.surface.shown_vertices(is_deformed=draw.is_deformed)
    corners = np.array(list(product(*zip(vertices.min(axis=0), vertices.max(axis=0), strict=True))), np.float64)
    clip = corners @ draw.clips[0][:, :3].T + draw.clips[0][:, 3]
    if (clip[:, 3] <= 0).any():  # it reaches behind the camera
        return _Box(0, 0, resolution.width, resolution.height)
    x, y = (clip[:, :2] / clip[:, 3:] + 1.0).T / 2
    limit = 4 * max(resolution.width, resolution.height)
    left, right = np.clip((x.min() * resolution.width, x.max() * resolution.width), -limit, limit)
    top, bottom = np.clip((y.min() * resolution.height, y.max() * resolution.height), -limit, limit)
    return _Box(int(np.floor(left)), int(np.floor(top)), int(np.ceil(right)), int(np.ceil(bottom)))


def _depths(surface: Surface, moment: Moment, index: int) -> tuple[float, float]:
    """Returns the smallest and largest z-depth of its vertices in metres."""
    vertices = moment.arrays.get(f"vertices_{surface.id}", surface.vertices)
    row = moment.camera_from_mesh(index, surface.id)[2]
    depths = vertices @ row[:3].astype(np.float32) + np.float32(row[3])
    return float(depths.min()), float(depths.max())


def _depth_range(depths: list[tuple[float, float]]) -> tuple[float, float]:
    """Returns near and far planes, metres, that hold the scene with the finest depth steps."""
    far = max(1e-3, 1.01 * max(high for _, high in depths))
    near = min(low for low, _ in depths)
    return max(0.99 * near, _NEAREST_SHARE * far), far


def _projection(moment: Moment, resolution: Resolution, near: float, far: float) -> Array:
    """Returns `clip_from_camera` for OpenCV camera axes, picture rows running down in the framebuffer.

    Row 0 of what is read back is then the picture's first row. OpenGL counts rows upwards, so it sees
    the picture mirrored, and counter-clockwise faces as clockwise ones.
    """
    k = moment.image_from_camera
    width, height = resolution.width, resolution.height
    clip = np.zeros((4, 4))
    clip[0, :3] = 2 * k[0] / width - (0, 0, 1)
    clip[1, :3] = 2 * k[1] / height - (0, 0, 1)
    clip[2, 2:] = (far + near) / (far - near), -2 * far * near / (far - near)
    clip[3, 2] = 1.0
    return clip


def _release(framebuffer: Any) -> None:
    for attachment in (*framebuffer.color_attachments, framebuffer.depth_attachment):
        if attachment is not None:
            attachment.release()
    framebuffer.release()


def _read(framebuffer: Any, attachment: int, *, components: int, dtype: str, numpy_type: type[Any]) -> Array:
    pixels = np.empty((framebuffer.height, framebuffer.width, components), numpy_type)
    framebuffer.read_into(pixels, components=components, attachment=attachment, dtype=dtype, alignment=1)
    return pixels


@cache
def _probe_egl() -> None:
    """Makes a context in a child process first: without a driver the attempt may abort the process."""
    run = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=120, check=False)
    if run.returncode != 0:
        missing = egl_libraries().missing()
        what = f"{', '.join(missing)} not installed" if missing else "no EGL driver works here"
        packages = " ".join(dict.fromkeys((*debian_packages(missing), "libegl1", "libgl1-mesa-dri")))
        raise MissingBackendError(
            f"backend gl of stage render can't draw off-screen: {what}",
            hint=f"apt-get install {packages}, or choose backend `cycles` for render",
        )
