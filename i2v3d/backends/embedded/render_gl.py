"""The default renderer: the scene cache drawn off-screen with OpenGL through EGL, on a CPU (Mesa) or a GPU.

Colour: textures are shown as they are, bytes in, bytes out. Objects are drawn far to near, each first
as a depth mask of its solid part and then blended, so that soft edges let what is behind through and
nothing of the object's own back. Edges of the geometry are smoothed by four samples a pixel, but the
texture is read at pixel centres, so that an unmoved view stays exact. Passes are drawn apart, one
sample a pixel, and hold a surface where its alpha is at least one half.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from i2v3d.artifacts.scene import FramePasses, FrameState
from i2v3d.backends.base import RenderedFrame
from i2v3d.backends.embedded.gl_program import Programs, Surface, load_surfaces, make_programs
from i2v3d.blender.system_libraries import debian_packages, egl_libraries
from i2v3d.errors import MissingBackendError, StageError
from i2v3d.geometry.frames import Array, Resolution, invert_rigid

SAMPLES = 4
_NEAREST_SHARE = 1e-4  # the near plane never comes closer than this share of the far plane
_PROBE = "import moderngl; moderngl.create_context(standalone=True, backend='egl', require=330).release()"
_FLOW_LIMIT_PX = 1e6


@dataclass(frozen=True)
class _Target:
    """Where a frame of one size is drawn."""

    colour: Any  # moderngl.Framebuffer, several samples
    resolved: Any
    passes: Any

    def release(self) -> None:
        for framebuffer in (self.colour, self.resolved, self.passes):
            for attachment in (*framebuffer.color_attachments, framebuffer.depth_attachment):
                if attachment is not None:
                    attachment.release()
            framebuffer.release()


@dataclass(frozen=True)
class _Moment:
    """One frame's state: camera (K and camera_from_world) and where every object is."""

    image_from_camera: Array
    camera_from_world: Array
    arrays: dict[str, Array]

    @classmethod
    def read(cls, file: Path) -> _Moment:
        arrays = FrameState(file).read_arrays()
        return cls(arrays["image_from_camera"], invert_rigid(arrays["world_from_camera"]), arrays)

    def camera_from_mesh(self, index: int, object_id: int) -> Array:
        """Returns the 4x4 that takes the mesh's vertices, or world ones if it deforms, to camera axes."""
        if f"vertices_{object_id}" in self.arrays:
            return self.camera_from_world
        return np.asarray(self.camera_from_world @ self.arrays["transforms"][index])


class GlRenderer:
    """Draws frames of a scene cache; keeps the context, and the last scene and size, between calls.

    Raises:
        MissingBackendError: This machine has no EGL, or no driver for it.
    """

    def __init__(self) -> None:
        import moderngl

        _probe_egl()
        self._context = moderngl.create_context(standalone=True, require=330, backend="egl")  # type: ignore[arg-type]  # stub slip
        self._programs: Programs = make_programs(self._context)
        self._scene: tuple[Surface, ...] = ()
        self._scene_key: tuple[Any, ...] = ()
        self._target: _Target | None = None
        self._target_size: Resolution | None = None

    def render(self, static: Path, states: tuple[Path, ...], current: int, resolution: Resolution) -> RenderedFrame:
        """Returns the frame `states[current]`, as `backends.base.SceneRenderer` says."""
        surfaces = self._load(static)
        target = self._size(resolution)
        moments = [_Moment.read(file) for file in states]
        here = moments[current]
        has_next, has_previous = current + 1 < len(moments), current > 0
        after = moments[current + 1] if has_next else here
        before = moments[current - 1] if has_previous else here
        depths = [_depths(surface, here, index) for index, surface in enumerate(surfaces)]
        clip_from_cameras = [_projection(moment, resolution, *_depth_range(depths)) for moment in (here, after, before)]
        clips = []
        for index, surface in enumerate(surfaces):
            clips.append(
                [
                    clip @ moment.camera_from_mesh(index, surface.id)
                    for clip, moment in zip(clip_from_cameras, (here, after, before), strict=True)
                ]
            )
            if f"vertices_{surface.id}" in here.arrays:
                name = f"vertices_{surface.id}"
                surface.deform((here.arrays[name], after.arrays[name], before.arrays[name]))
        is_deformed = [f"vertices_{surface.id}" in here.arrays for surface in surfaces]
        order = _far_to_near(surfaces, depths)
        colour = self._draw_colour(target, [(surfaces[i], clips[i], is_deformed[i]) for i in order])
        depth, ids, flow = self._draw_passes(target, [(surfaces[i], clips[i], is_deformed[i]) for i in reversed(order)])
        return RenderedFrame(colour, _passes(depth, ids, flow, has_next=has_next, has_previous=has_previous))

    def _load(self, static: Path) -> tuple[Surface, ...]:
        files = sorted(path for path in static.rglob("*") if path.is_file())
        # Equal paths may hold another scene in a later call; inode, size and times tell.
        key = tuple((s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns) for s in (file.stat() for file in files))
        if key != self._scene_key:
            for surface in self._scene:
                surface.release()
            self._scene, self._scene_key = (), ()
            self._scene = load_surfaces(self._context, self._programs, static)
            self._scene_key = key
        return self._scene

    def _size(self, resolution: Resolution) -> _Target:
        if self._target is None or self._target_size != resolution:
            if self._target is not None:
                self._target.release()
            self._target, self._target_size = _make_target(self._context, resolution), resolution
        return self._target

    def _draw_colour(self, target: _Target, surfaces: list[tuple[Surface, list[Array], bool]]) -> Array:
        import moderngl

        context, framebuffer = self._context, target.colour
        framebuffer.use()
        framebuffer.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        context.enable_only(moderngl.DEPTH_TEST)
        context.depth_func = "<="
        for surface, clips, is_deformed in surfaces:
            framebuffer.color_mask = (False, False, False, False)
            framebuffer.depth_mask = True
            _set_matrices(self._programs.solid, clips)
            surface.draw("solid", is_deformed=is_deformed)
            framebuffer.color_mask = (True, True, True, True)
            framebuffer.depth_mask = False
            context.enable(moderngl.BLEND)
            context.blend_func = moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA
            _set_matrices(self._programs.colour, clips)
            surface.draw("colour", is_deformed=is_deformed)
            context.disable(moderngl.BLEND)
        framebuffer.depth_mask = True
        context.copy_framebuffer(target.resolved, framebuffer)
        return _read(target.resolved, 0, components=3, dtype="f1", numpy_type=np.uint8)

    def _draw_passes(
        self, target: _Target, surfaces: list[tuple[Surface, list[Array], bool]]
    ) -> tuple[Array, Array, Array]:
        import moderngl

        program, framebuffer = self._programs.passes, target.passes
        framebuffer.use()
        framebuffer.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        self._context.enable_only(moderngl.DEPTH_TEST)
        program["half_size"].value = (framebuffer.width / 2, framebuffer.height / 2)
        for surface, clips, is_deformed in surfaces:
            _set_matrices(program, clips)
            program["id"].value = float(surface.id)
            surface.draw("passes", is_deformed=is_deformed)
        depth_and_id = _read(framebuffer, 0, components=2, dtype="f4", numpy_type=np.float32)
        flow = _read(framebuffer, 1, components=4, dtype="f4", numpy_type=np.float32)
        return depth_and_id[..., 0], depth_and_id[..., 1], flow


def _passes(depth: Array, ids: Array, flow: Array, *, has_next: bool, has_previous: bool) -> FramePasses:
    codes = ids.astype(np.uint16)
    np.clip(flow, -_FLOW_LIMIT_PX, _FLOW_LIMIT_PX, out=flow)
    if not np.isfinite(flow.sum(dtype=np.float64)):
        raise StageError("the flow of a frame is not a number", hint="an object passes through the camera's centre")
    return FramePasses(
        depth_m=np.where(codes > 0, depth, np.float32(np.inf)),
        ids=(codes >> 1).astype(np.uint8),
        is_observed=(codes & 1).astype(bool),
        flow_forward_px=np.ascontiguousarray(flow[..., :2]),
        flow_backward_px=np.ascontiguousarray(flow[..., 2:]),
        has_next=has_next,
        has_previous=has_previous,
    )


def _depths(surface: Surface, moment: _Moment, index: int) -> tuple[float, float]:
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


def _far_to_near(surfaces: tuple[Surface, ...], depths: list[tuple[float, float]]) -> list[int]:
    """Returns the background first, then objects by the middle of their depths."""
    return sorted(range(len(surfaces)), key=lambda i: (surfaces[i].id != 1, -sum(depths[i]), surfaces[i].id))


def _projection(moment: _Moment, resolution: Resolution, near: float, far: float) -> Array:
    """Returns `clip_from_camera` for OpenCV camera axes, picture rows running down in the framebuffer.

    Row 0 of what is read back is then the picture's first row, and windings keep their sense: the
    mirroring of y for the framebuffer and that of the camera's axes cancel out.
    """
    k = moment.image_from_camera
    width, height = resolution.width, resolution.height
    clip = np.zeros((4, 4))
    clip[0, :3] = 2 * k[0] / width - (0, 0, 1)
    clip[1, :3] = 2 * k[1] / height - (0, 0, 1)
    clip[2, 2:] = (far + near) / (far - near), -2 * far * near / (far - near)
    clip[3, 2] = 1.0
    return clip


def _set_matrices(program: Any, clips: list[Array]) -> None:
    names = ("clip_from_mesh", "clip_from_mesh_next", "clip_from_mesh_previous")
    for name, clip in zip(names, clips, strict=True):
        if name in program:  # the compiler drops what a program does not use
            program[name].write(np.ascontiguousarray(clip.T, np.float32).tobytes())


def _make_target(context: Any, resolution: Resolution) -> _Target:
    size = (resolution.width, resolution.height)
    return _Target(
        colour=context.framebuffer(
            [context.renderbuffer(size, 4, samples=SAMPLES)], context.depth_renderbuffer(size, samples=SAMPLES)
        ),
        resolved=context.framebuffer([context.renderbuffer(size, 4)]),
        passes=context.framebuffer(
            [context.renderbuffer(size, 2, dtype="f4"), context.renderbuffer(size, 4, dtype="f4")],
            context.depth_renderbuffer(size),
        ),
    )


def _read(framebuffer: Any, attachment: int, *, components: int, dtype: str, numpy_type: type[Any]) -> Array:
    raw = framebuffer.read(components=components, attachment=attachment, dtype=dtype, alignment=1)
    shape = (framebuffer.height, framebuffer.width, components)
    return np.frombuffer(bytearray(raw), numpy_type).reshape(shape)


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
