"""Puts a page together: what it says, what it shows, the template, the script and the style."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from i2v3d import __version__
from i2v3d.artifacts.drawings import drawn_size
from i2v3d.artifacts.scene import JsonFile, Layout
from i2v3d.execute.events import BuildStarted
from i2v3d.execute.finished import FinishedBuild
from i2v3d.geometry.pass_colours import DEPTH_RAMP, UNOBSERVED
from i2v3d.report.page import content, pictures
from i2v3d.report.page.photo_marks import hex_colour, object_colours, photo_marks
from i2v3d.report.page.plots import HEIGHT, WIDTH, metric_rows, number_text
from i2v3d.report.page.scene_view import animation_start_s, cameras_for_view, point_of_interest
from i2v3d.report.page.timeline import timeline
from i2v3d.report.tables import duration_text, size_text
from i2v3d.resources import templates_dir
from i2v3d.spec import LoadedScene

if TYPE_CHECKING:
    import jinja2

_FOLDER = "report"
_SCRIPTS = ("page.js", "scene_view.js")
_MOST_PAGE_BYTES = 7_800_000
_MOST_GLB_BYTES = 6_000_000
_SAMPLES_PX = 1280


@dataclass(frozen=True)
class _Files:
    """The page's own style and program, as they are in `templates/report`."""

    style: str
    script: str

    @property
    def script_hash(self) -> str:
        """What the content security policy calls the program."""
        return _hash_of(self.script)


def page_html(finished: FinishedBuild, loaded: LoadedScene, *, live_reload: str = "") -> str:
    """Returns the page of a build; a section whose material is missing says so in a line, or is left out.

    Args:
        finished: The build, whole or a part of it.
        loaded: The scene it is of.
        live_reload: JavaScript to run besides, which may talk to the server that the page came from.
    """
    files = _files()
    packs = list(pictures.layer_packs(finished, loaded.scene.output.frame_count))
    view = _scene_view(finished, loaded)
    if view is not None:
        packs += view.pop("packs")
    context = {
        **_said(finished, loaded),
        **_shown(finished, loaded, packs),
        "packs": packs,
        "data": _data(finished, loaded, packs, view),
        "view": view,
        "style": files.style,
        "script": files.script,
        "live_reload": live_reload,
        "policy": _policy(files, live_reload),
    }
    return _environment().get_template("page.html.j2").render(context)


def _said(finished: FinishedBuild, loaded: LoadedScene) -> dict[str, Any]:
    """Returns what the page says in words and numbers."""
    scene = loaded.scene
    metrics = content.measured(finished)
    seconds = [event.at_s for event in finished.events if not isinstance(event, BuildStarted)]
    begun = [event.at_s for event in finished.events if isinstance(event, BuildStarted)]
    return {
        "scene": scene,
        "duration_s": scene.output.frame_count / scene.output.fps,
        "version": __version__,
        "build_number": finished.number,
        "built_at": datetime.fromtimestamp(begun[0], UTC).strftime("%Y-%m-%d %H:%M UTC") if begun else "",
        "timeline": timeline(finished.spans.values(), max(seconds, default=0.0)),
        "downloads": content.downloads(finished),
        "backends": content.used_backends(finished.graph),
        "weights": content.used_weights(finished.graph, scene),
        "settings": content.settings(finished.graph, scene),
        "metrics": metric_rows(metrics) if metrics else (),
        "metrics_missing": metrics.missing if metrics else None,
        "findings": content.findings(finished),
        "warnings": content.warnings(finished),
        "training": content.training(finished),
        "spec_files": content.spec_files(finished, loaded),
        "depth_ramp": [hex_colour(colour) for colour in DEPTH_RAMP],
        "unobserved_colour": hex_colour(UNOBSERVED),
        "plot_size": (WIDTH, HEIGHT),
        "depth_range": _depth_range(finished),
    }


def _shown(finished: FinishedBuild, loaded: LoadedScene, packs: list[pictures.Pack]) -> dict[str, Any]:
    """Returns the pictures that are not frames, each as an address."""
    photo = pictures.files_of(finished, "draw_photo", "pictures")
    stills = {name: pictures.data_uri("image/webp", data) for name, data in photo.items() if name.endswith(".webp")}
    delivered = finished.delivered
    video = delivered.get("video.mp4")
    left_bytes = _MOST_PAGE_BYTES - sum(len(pack.text) for pack in packs) - sum(map(len, stills.values()))
    is_small = video is not None and video.stat().st_size * 4 / 3 <= left_bytes
    samples, unobserved = delivered.get("customize/samples.png"), delivered.get("check/unobserved.png")
    return {
        "stills": stills,
        "cut_out": json.loads(photo["objects.json"]) if "objects.json" in photo else [],
        "marks": photo_marks(loaded.scene),
        "object_colours": object_colours(loaded.scene),
        "video": pictures.data_uri("video/mp4", video.read_bytes()) if video and is_small else None,
        "video_beside": "video.mp4" if video and not is_small else None,
        "poster": _poster(finished, {pack.name for pack in packs}),
        "samples": pictures.small_picture(samples, _SAMPLES_PX) if samples else None,
        "unobserved_picture": pictures.small_picture(unobserved, 640) if unobserved else None,
    }


def _poster(finished: FinishedBuild, layers: set[str]) -> str | None:
    """Returns the first finished frame."""
    if "result" not in layers:
        return None
    (first, *_) = pictures.layer_items(finished, "result")
    return pictures.data_uri("image/webp", first)


def _data(
    finished: FinishedBuild, loaded: LoadedScene, packs: list[pictures.Pack], view: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Returns what the page's program reads."""
    scene = loaded.scene
    size = drawn_size(scene.output.size, scene.output.frame_count)
    facts = pictures.facts_of_frames(finished)
    metrics = content.measured(finished)
    return {
        "frames": scene.output.frame_count,
        "fps": scene.output.fps,
        "size": [scene.output.size.width, scene.output.size.height],
        "drawn": [size.width, size.height],
        "packs": {
            pack.name: {"type": pack.media_type, "sizes": pack.sizes, "encoding": pack.encoding} for pack in packs
        },
        "keyframes": scene.keyframing.frames,
        "unobserved": [round(fact["unobserved"], 4) for fact in facts],
        "metrics": [{"values": row.values, "digits": row.digits} for row in (metric_rows(metrics) if metrics else ())],
        "view": view,
    }


def _scene_view(finished: FinishedBuild, loaded: LoadedScene) -> dict[str, Any] | None:
    """Returns what the 3D view shows; None where there is no scene or it is too much for a page."""
    glb = pictures.files_of(finished, "draw_scene", "glb").get("")
    track = finished.delivered.get("cameras.json")
    if glb is None or track is None:
        return None
    pack = pictures.packed_tightly("glb", "model/gltf-binary", glb)
    if len(pack.text) > _MOST_GLB_BYTES:
        return None
    cameras = JsonFile(track).read_json()
    program = (templates_dir() / _FOLDER / "vendor" / "three.min.js").read_bytes()
    return {
        "packs": [pack, pictures.packed_tightly("three", "text/javascript", program)],
        "cameras": cameras_for_view(cameras),
        "start_s": animation_start_s(glb),
        "about": point_of_interest(cameras, _places_of_objects(finished, loaded)),
        "glb_size": size_text(len(glb)),
    }


def _places_of_objects(finished: FinishedBuild, loaded: LoadedScene) -> list[Any]:  # Any: arrays
    for step in ("arrange", "layout"):
        stored = finished.records[step].outputs.get("layout") if step in finished.records else None
        if stored is not None:
            layout = Layout(finished.store.objects.path(stored.files[0].digest)).read()
            names = {thing.name for thing in loaded.scene.drawn}
            return [np.asarray(rest.world_from_object)[:3, 3] for name, rest in layout.objects.items() if name in names]
    return []


def _depth_range(finished: FinishedBuild) -> tuple[str, str] | None:
    """Returns what the ends of the depth ramp stand for, near first."""
    scale = pictures.files_of(finished, "drawing_scale", "scale").get("")
    if scale is None:
        return None
    values = json.loads(scale)
    far = "∞" if values["far_m"] is None else f"{number_text(values['far_m'])} m"
    return f"{number_text(values['near_m'])} m", far


def _files() -> _Files:
    folder = templates_dir() / _FOLDER
    script = "\n".join(_text(folder / name) for name in _SCRIPTS)
    return _Files(_text(folder / "page.css"), script)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _policy(files: _Files, live_reload: str) -> str:
    """Returns the page's content security policy: its own program and embedded pictures, and no network at all."""
    scripts = [files.script_hash, *([_hash_of(live_reload)] if live_reload else [])]
    parts = [
        "default-src 'none'",
        "img-src data: blob:",
        # A longer video lies beside the page; `file:` is not among what 'self' means in every browser.
        "media-src data: blob: file: 'self'",
        "style-src 'unsafe-inline'",
        f"script-src {' '.join(scripts)} blob:",
        f"connect-src data: blob:{' ' + chr(39) + 'self' + chr(39) if live_reload else ''}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(parts)


def _hash_of(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir() / _FOLDER),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration_text, "size": size_text, "number": number_text, "record": asdict}
    return environment
