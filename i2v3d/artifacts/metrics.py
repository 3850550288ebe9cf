"""Measured values of a clip on disk, the same for a build's own result and any other video: JSON and a table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from i2v3d.artifacts.base import Artifact
from i2v3d.artifacts.scene import JsonFile
from i2v3d.errors import ArtifactError

_FORMAT = 1

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Measured:
    """One metric of a clip.

    Attributes:
        name: As `expect:` in a spec names it, with the object's name where it is of one: `silhouette_iou`,
            `silhouette_iou[rocket]`.
        value: Of the whole clip, as the metric defines it.
        better: Which way is better.
        unit: `px`, `m`, `dB`, `of 255`, or empty for a plain number.
        frames: By frame, where it has values over time; None for a frame that has none.
        backend: What measured it: `geometry`, `clip`, `depth_anything`.
    """

    name: str
    value: float
    better: Better
    unit: str = ""
    frames: tuple[float | None, ...] = ()
    backend: str = "geometry"

    @property
    def worst_frame(self) -> int | None:
        """The frame with the worst value, the first of several, or None where there are no values over time."""
        known = [(value, frame) for frame, value in enumerate(self.frames) if value is not None]
        if not known:
            return None
        sign = 1.0 if self.better == "lower" else -1.0
        return max(known, key=lambda pair: (sign * pair[0], -pair[1]))[1]


@dataclass(frozen=True)
class ClipMetrics:
    """Everything measured on a clip.

    Attributes:
        measured: By name, in the order in which people read them.
        missing: Name -> why it was not measured (for example which backend it needs).
    """

    frame_count: int
    fps: float
    measured: Mapping[str, Measured]
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Metrics(JsonFile):
    """A `ClipMetrics` on disk."""

    def write(self, metrics: ClipMetrics) -> None:
        """Writes the values, rounded to 9 significant digits.

        Raises:
            ArtifactError: A value is not a finite number.
        """
        self.write_json(document_of(metrics))

    def read(self) -> ClipMetrics:
        """Returns what was written.

        Raises:
            ArtifactError: It is no file of metrics, or of another format.
        """
        document = self.read_json()
        try:
            if document["format"] != _FORMAT:
                raise ArtifactError(f"{self.path.name}: metrics of format {document['format']}, not {_FORMAT}")
            return ClipMetrics(
                int(document["frame_count"]),
                float(document["fps"]),
                {name: _measured(name, values) for name, values in document["metrics"].items()},
                dict(document["missing"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{self.path.name}: not a file of metrics: {error}") from error


@dataclass(frozen=True)
class MetricsTable(Artifact):
    """Metrics as CSV: a row of the whole clip, whose `frame` is empty, then one a frame; what has no value is empty."""

    suffix: ClassVar[str] = ".csv"

    def write(self, metrics: ClipMetrics) -> None:
        """Writes the table, values with 9 significant digits."""
        self.path.write_text(table_text(metrics), encoding="utf-8", newline="")


def document_of(metrics: ClipMetrics) -> dict[str, Any]:
    """Returns what `Metrics` writes, as JSON.

    Raises:
        ArtifactError: A value is not a finite number.
    """
    return {
        "format": _FORMAT,
        "frame_count": metrics.frame_count,
        "fps": metrics.fps,
        "metrics": {one.name: _document(one) for one in metrics.measured.values()},
        "missing": dict(metrics.missing),
    }


def table_text(metrics: ClipMetrics | Mapping[str, ClipMetrics]) -> str:
    """Returns metrics as CSV, the whole clip first: `frame,time_s,ssim_to_render,...`.

    Of several clips, by name, each row begins with `clip`.
    """
    clips = {"": metrics} if isinstance(metrics, ClipMetrics) else metrics
    names = list(dict.fromkeys(name for clip in clips.values() for name in clip.measured))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    is_one = isinstance(metrics, ClipMetrics)
    writer.writerow([*([] if is_one else ["clip"]), "frame", "time_s", *names])
    for label, clip in clips.items():
        columns = [clip.measured.get(name) for name in names]
        start = [] if is_one else [label]
        writer.writerow([*start, "", "", *("" if one is None else f"{one.value:.9g}" for one in columns)])
        for frame in range(clip.frame_count):
            values = (one.frames[frame] if one is not None and frame < len(one.frames) else None for one in columns)
            cells = ["" if value is None else f"{value:.9g}" for value in values]
            writer.writerow([*start, frame, f"{frame / clip.fps:.9g}", *cells])
    return text.getvalue()


def _document(one: Measured) -> dict[str, Any]:
    frames = [None if value is None else _rounded(one.name, value) for value in one.frames]
    return {
        "value": _rounded(one.name, one.value),
        "better": one.better,
        "unit": one.unit,
        "backend": one.backend,
        "worst_frame": one.worst_frame,
        "frames": frames,
    }


def _measured(name: str, values: Mapping[str, Any]) -> Measured:
    frames = tuple(None if value is None else float(value) for value in values["frames"])
    return Measured(name, float(values["value"]), values["better"], values["unit"], frames, values["backend"])


def _rounded(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise ArtifactError(f"metric {name}: {value} is not a finite number")
    return float(f"{value:.9g}")


__all__ = ["ClipMetrics", "Measured", "Metrics", "MetricsTable", "document_of", "table_text"]
