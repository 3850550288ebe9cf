"""The reference renderer: the scene cache drawn by Blender Cycles, in a Blender child that stays open.

What `render_gl` draws must agree with it. Colours and passes come from one sample at each pixel's
centre, so that textures stay exact; where objects meet, the colour is that of several samples. Flow is
not Cycles' own vector pass, which knows no shifted lens: the surface carries where it is in the frames
around, and the cameras project that.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path
from typing import IO, Any

import numpy as np

from i2v3d.artifacts.scene import FramePasses
from i2v3d.backends.base import RenderedFrame
from i2v3d.backends.embedded.lens import Lens, srgb_levels
from i2v3d.backends.embedded.scene_cache import Moment, Neighbours, files_identity
from i2v3d.blender.run import child_environment, failure
from i2v3d.blender.script import write_lib
from i2v3d.errors import BlenderError
from i2v3d.geometry.frames import Array, Resolution
from i2v3d.resources import templates_dir

SMOOTH_SAMPLES = 8
LENS_SAMPLES = 128
_SHARP_PX = 0.5
_LAYER = "ViewLayer"
_FLOW_LIMIT_PX = 1e6


class CyclesRenderer:
    """Draws frames of a scene cache through Cycles; the Blender child and its scene are kept between calls."""

    def __init__(self) -> None:
        self._child: _Child | None = None

    def render(self, static: Path, states: tuple[Path, ...], current: int, resolution: Resolution) -> RenderedFrame:
        """Returns the frame `states[current]`, as `backends.base.SceneRenderer` says.

        Raises:
            BlenderError: Blender failed; the child is gone, and a new one is started by the next call.
            MissingBackendError: Blender or a library it needs is not installed.
        """
        if self._child is None or not self._child.is_alive():
            self._child = _Child()
        moments = Neighbours.read(states, current)
        after = states[current + 1] if moments.has_next else states[current]
        before = states[current - 1] if moments.has_previous else states[current]
        data, smooth = self._child.folder / "data.exr", self._child.folder / "smooth.exr"
        self._child.ask(
            {
                "do": "show",
                "static": str(static.resolve()),
                "key": json.dumps(files_identity(static)),
                "here": str(states[current].resolve()),
                "after": str(after.resolve()),
                "before": str(before.resolve()),
                "width": resolution.width,
                "height": resolution.height,
            }
        )
        self._child.ask({"do": "data", "file": str(data)})
        channels = _read_exr(data)
        ids = np.rint(_channel(channels, "Object Index.X")).astype(np.uint8)
        colour = srgb_levels(_rgb(channels, "Combined"))
        is_edge = _has_other_neighbour(ids)
        if is_edge.any():
            border = _border(is_edge)
            self._child.ask({"do": "smooth", "file": str(smooth), "samples": SMOOTH_SAMPLES, "border": border})
            colour[is_edge] = srgb_levels(_rgb(_read_exr(smooth), "Combined")[is_edge])
        lens = Lens.of(moments.here)
        if lens is not None:
            depth = np.where(ids > 0, _channel(channels, "Depth.Z"), np.float32(np.inf))
            is_blurred = _is_blurred(lens.circles_px(depth, float(moments.here.image_from_camera[0, 0])))
            request = {"focus_m": lens.focus_m, "aperture_m": lens.aperture_m, "samples": LENS_SAMPLES}
            self._child.ask({"do": "blurred", "file": str(smooth), **request})
            colour[is_blurred] = srgb_levels(_rgb(_read_exr(smooth), "Combined")[is_blurred])
        return RenderedFrame(colour, _passes(channels, ids, moments))


class _Child:
    """A Blender process that renders on request, with a folder of its own that goes when it does."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="i2v3d_cycles_"))
        self._script = self.folder / "render_passes.py"
        shutil.copyfile(templates_dir() / "bpy" / "render_passes.py", self._script)
        (self.folder / "lib").mkdir()
        write_lib(self.folder / "lib")
        self._log = self.folder / "blender.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(self._script)],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_environment(self.folder),
                text=True,
                encoding="utf-8",
            )
        self._end = weakref.finalize(self, _end, self._process, self.folder)

    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, request: dict[str, Any]) -> None:
        """Sends a request and waits for its end.

        Raises:
            BlenderError: It failed or the process ended.
        """
        requests, answers = _pipe(self._process.stdin), _pipe(self._process.stdout)
        try:
            requests.write(json.dumps(request) + "\n")
            requests.flush()
            line = answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            error = failure(self._script, self._log, self._process.wait())
            self._end()
            raise error
        answer = json.loads(line)
        if answer["status"] != "done":
            self._end()
            raise BlenderError(f"Cycles: {answer['message']}")


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None, "the child was started with pipes"
    return pipe


def _end(process: subprocess.Popen[str], folder: Path) -> None:
    for pipe in (process.stdin, process.stdout):
        _pipe(pipe).close()
    process.kill()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _read_exr(file: Path) -> dict[str, Array]:
    """Returns float32 (height, width) by channel name without the layer's name."""
    import OpenEXR

    channels: dict[str, Array] = {}
    with OpenEXR.File(str(file), separate_channels=True) as picture:
        for part in picture.parts:
            for name, channel in part.channels.items():
                channels[name.removeprefix(f"{_LAYER}.")] = channel.pixels
    return channels


def _channel(channels: dict[str, Array], name: str) -> Array:
    older = name.replace("Object Index", "IndexOB")  # Blender 4
    for candidate in (name, older):
        if candidate in channels:
            return channels[candidate]
    raise BlenderError(f"Cycles wrote no channel {name}", hint=f"it wrote {', '.join(sorted(channels))}")


def _rgb(channels: dict[str, Array], name: str) -> Array:
    return np.stack([_channel(channels, f"{name}.{letter}") for letter in "RGB"], axis=-1)


def _has_other_neighbour(ids: Array) -> Array:
    """Returns where one of the eight pixels around shows another object."""
    height, width = ids.shape
    around = np.pad(ids, 1, mode="edge")
    differs = [around[row : row + height, column : column + width] != ids for row in range(3) for column in range(3)]
    return np.logical_or.reduce(differs)


def _is_blurred(circles_px: Array) -> Array:
    """Returns where the lens changes the picture: what is out of focus, and as far as its light may reach."""
    from scipy.ndimage import binary_dilation

    reach = min(int(np.ceil(float(np.quantile(circles_px, 0.999)) / 2)) + 1, max(circles_px.shape))
    is_out = circles_px > _SHARP_PX
    for axis in (0, 1):
        shape = [1, 1]
        shape[axis] = 2 * reach + 1
        is_out = binary_dilation(is_out, np.ones(shape, bool))
    return np.asarray(is_out)


def _border(is_wanted: Array) -> list[float]:
    """Returns left, bottom, right, top, as shares of the picture, of a box round the wanted pixels."""
    height, width = is_wanted.shape
    rows, columns = np.flatnonzero(is_wanted.any(axis=1)), np.flatnonzero(is_wanted.any(axis=0))
    left, right = max(0, columns[0] - 2), min(width, columns[-1] + 3)
    top, bottom = max(0, rows[0] - 2), min(height, rows[-1] + 3)
    return [float(left / width), float(1 - bottom / height), float(right / width), float(1 - top / height)]


def _passes(channels: dict[str, Array], ids: Array, moments: Neighbours) -> FramePasses:
    is_something = ids > 0
    flows = {
        "next": _flow(_rgb(channels, "next"), moments.after, is_something),
        "previous": _flow(_rgb(channels, "previous"), moments.before, is_something),
    }
    if not moments.has_next:
        flows["next"][:] = 0.0
    if not moments.has_previous:
        flows["previous"][:] = 0.0
    return FramePasses(
        depth_m=np.where(is_something, _channel(channels, "Depth.Z"), np.float32(np.inf)),
        ids=ids,
        is_observed=_channel(channels, "observed.X") >= 0.5,
        flow_forward_px=flows["next"],
        flow_backward_px=flows["previous"],
        has_next=moments.has_next,
        has_previous=moments.has_previous,
    )


def _flow(points_world: Array, moment: Moment, is_something: Array) -> Array:
    """Returns where each pixel's point of surface is seen in another frame, less the pixel's own place."""
    height, width = is_something.shape
    image_from_world = moment.image_from_camera @ moment.camera_from_world[:3]
    image = points_world.astype(np.float64) @ image_from_world[:, :3].T + image_from_world[:, 3]
    image[~is_something] = 1.0
    row, column = np.mgrid[:height, :width] + 0.5
    flow = image[..., :2] / image[..., 2:] - np.stack([column, row], axis=-1)
    flow[~is_something] = 0.0
    return np.clip(flow, -_FLOW_LIMIT_PX, _FLOW_LIMIT_PX).astype(np.float32)
