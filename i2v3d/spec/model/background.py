"""`background`: what is behind the objects, and how its holes are filled."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

from i2v3d.spec.model.base import (
    AsList,
    BoxEdges,
    FilePath,
    Length,
    Number,
    RowField,
    Share,
    SpecPart,
    Word,
    documented,
    in_range,
    positive,
    wrong,
)
from i2v3d.spec.model.objects import Polygons
from i2v3d.spec.suggest import hint_for

LAYOUTS = ("ground_and_backdrop", "plane", "backdrop", "room", "dome")
LAYOUT_ALIASES = {"sky_dome": "dome", "table": "plane"}
LAYOUT_MODELS = ("dust3r", "mast3r", "vggt", "depth_anything", "viewcrafter")


class DepthFile(SpecPart):
    """A depth map of the photo."""

    short_key = "file"
    file: FilePath = documented(..., "A .npy array or a 16-bit .png of the photo's shape.", examples=("depth.npy",))
    kind: Annotated[str, Word("metric", "inverse")] = documented(
        "metric", "`metric` is z-depth in metres; `inverse` is near = large.", examples=("inverse",)
    )
    near: Annotated[Length, AfterValidator(positive)] = documented(
        1.0, "Depth of the largest value of an inverse map.", unit="m", examples=("1m",)
    )
    far: Annotated[Length, AfterValidator(positive)] = documented(
        100.0, "Depth of the smallest value of an inverse map.", unit="m", examples=("100m",)
    )


class Layout(SpecPart):
    """The shape of the background: a word, a depth file, further photos, or a model's name."""

    one_of = ("word", "depth", "views", "model")
    short_schemas = ({"enum": [*LAYOUTS, *LAYOUT_ALIASES, *LAYOUT_MODELS]},)
    word: Annotated[str, Word(*LAYOUTS, **LAYOUT_ALIASES)] | None = documented(
        None, "A declared layout.", examples=("ground_and_backdrop",)
    )
    depth: DepthFile | None = documented(None, DepthFile.__doc__ or "", examples=("depth.npy",))
    views: Annotated[list[FilePath], AsList] | None = documented(
        None, "Further photos of the place.", examples=(["a.jpg", "b.jpg"],)
    )
    model: Annotated[str, Word(*LAYOUT_MODELS)] | None = documented(
        None, "A model that estimates it.", examples=("dust3r",)
    )

    @classmethod
    def shorten(cls, value: Any) -> Any:
        """Takes `room` as {word: room} and `dust3r` as {model: dust3r}."""
        if not isinstance(value, str):
            return value
        if value in LAYOUTS or value in LAYOUT_ALIASES:
            return {"word": value}
        if value in LAYOUT_MODELS:
            return {"model": value}
        known = (*LAYOUTS, *LAYOUT_ALIASES, *LAYOUT_MODELS)
        if value.lower().endswith((".npy", ".png")):
            raise wrong(f"`{value}` is not a layout", f"for a file write `layout: {{depth: {value}}}`")
        raise wrong(f"`{value}` is not a layout", hint_for(value, known, label="layouts"))


class Background(SpecPart):
    """What is behind the objects."""

    short_key = "layout"
    layout: Layout = documented(
        Layout.model_construct(word="ground_and_backdrop"),
        Layout.__doc__ or "",
        examples=("ground_and_backdrop", "room"),
    )
    horizon: RowField | None = documented(
        None, "Row of the horizon, may lie outside the picture.", unit="px or share", examples=("92%",)
    )
    contact: RowField | None = documented(
        None, "Row where the backdrop meets the ground; just below the horizon.", unit="px or share", examples=("95%",)
    )
    distance: Annotated[Length, AfterValidator(positive)] | None = documented(
        None, "Distance of the backdrop or dome; from the contact row.", unit="m", examples=("200m",)
    )
    back_wall: BoxEdges | None = documented(
        None, "[left, top, right, bottom] of a room's back wall.", unit="px or share", examples=([0.3, 0.2, 0.7, 0.6],)
    )
    margin: Annotated[Share, in_range(0, 2)] = documented(
        0.35, "How far the picture is widened on each side.", unit="share of its size", examples=(0.35,)
    )
    grow: Annotated[Number, in_range(0, 500)] | None = documented(
        None, "How far holes are grown before filling; 6 at 1024 px width.", unit="output px", examples=(6,)
    )
    shadow: RowField | None = documented(
        None,
        "How far holes grow down over contact shadows; 3% when objects stand.",
        unit="px or share",
        examples=("3%",),
    )
    forbid: Polygons = documented(
        [], "Polygons that must not be copied from.", unit="px or share", examples=([[10, 10], [90, 10], [50, 80]],)
    )
