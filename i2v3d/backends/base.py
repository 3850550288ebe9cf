"""The protocol of each capability: arrays and artifacts at the edges, no torch types.

A backend is made without arguments in the worker process that uses it and may keep what is costly
to make (a GL context, a loaded model) between calls; results never depend on earlier calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from i2v3d.geometry.frames import Array, Resolution

if TYPE_CHECKING:
    from pathlib import Path

    from i2v3d.artifacts.keyframes import KeyframeMemory
    from i2v3d.artifacts.scene import FramePasses, MeshData, SolvedLayout
    from i2v3d.spec.resolved import MeshShape, Prompts
    from i2v3d.spec.resolved_generation import (
        ClipFeatures,
        ClipSampling,
        Customization,
        Extension,
        FeatureLengths,
        KeyframeSampling,
        Precision,
    )


class Segmenter(Protocol):
    """Prompts to a soft matte."""

    def segment(self, photo: Array, prompts: Prompts) -> Array:
        """Returns alpha, float32 (height, width) in 0..1, of the prompted thing.

        Args:
            photo: uint8 (height, width, 3) sRGB.
            prompts: Box, points, polygons and masks in photo pixels, already combined by meaning.
        """

    def foreground_colours(self, photo: Array, alpha: Array) -> Array:
        """Returns uint8 (height, width, 3): the thing's own colour at soft edges, bled outwards elsewhere."""


class Inpainter(Protocol):
    """A picture without some of its pixels to a whole one."""

    def inpaint(self, picture: Array, is_hole: Array, guide: Array | None, is_forbidden: Array | None) -> Array:
        """Returns uint8 (height, width, 3) with the hole filled and every other pixel as it was.

        Args:
            picture: uint8 (height, width, 3).
            is_hole: bool (height, width).
            guide: float32 (height, width, 3) in 0..1 or None: fill from source pixels with a similar guide
                (row number for ground and backdrop, plane coordinates for a room).
            is_forbidden: bool (height, width) or None: known pixels that must not be copied.
        """


class Mesher(Protocol):
    """One object's matte to a textured mesh."""

    def lift(self, cut_out: Array, layout: SolvedLayout, name: str, shape: MeshShape) -> MeshData:
        """Returns the mesh in the object's frame, exact in the source view.

        Args:
            cut_out: uint8 (height, width, 4) over the whole photo.
            layout: The solved layout, which says where object `name` stands.
            name: The object.
            shape: How to give it depth.
        """

    def load_sequence(self, files: Sequence[Path]) -> tuple[MeshData, Array]:
        """Returns the mesh of the first file, and float32 (files, vertices, 3), where its vertices are in each.

        Raises:
            StageError: A file can't be read, or has other faces than the first one.
        """


@dataclass(frozen=True)
class RenderedFrame:
    """A rendered frame: `colour` uint8 (height, width, 3) sRGB, and its passes."""

    colour: Array
    passes: FramePasses

    @property
    def ids(self) -> Array:
        """`passes.ids`, as `ClipFrame` has it."""
        return self.passes.ids


class ClipFrame(Protocol):
    """A `RenderedFrame` of which each part is read when it is asked for."""

    @property
    def colour(self) -> Array:
        """uint8 (height, width, 3) sRGB."""

    @property
    def ids(self) -> Array:
        """`passes.ids`; they alone are read in a fraction of the time of all passes."""

    @property
    def passes(self) -> FramePasses:
        """Everything else that is known of the frame."""


class SceneRenderer(Protocol):
    """The scene cache to pictures and exact passes."""

    def render(self, static: Path, states: tuple[Path, ...], current: int, resolution: Resolution) -> RenderedFrame:
        """Returns the frame `states[current]`; its neighbours in `states` give the flow.

        Args:
            static: A `SceneStatic` folder.
            states: One to three consecutive `FrameState` files.
            current: Which of them to draw.
            resolution: Size of the frame.
        """


@dataclass(frozen=True)
class KeyframePast:
    """The keyframe before, and the way from it.

    Attributes:
        colour: uint8 (height, width, 3), the keyframe before, refined.
        memory: What it remembers.
        passes: Passes of every frame from that keyframe to this one, both included, in time order;
            read one by one, so that a long interval does not fill the memory.
    """

    colour: Array
    memory: KeyframeMemory
    passes: Iterable[FramePasses]


@dataclass(frozen=True)
class RefinedKeyframe:
    """A refined keyframe: `colour` uint8 (height, width, 3) sRGB, and what the next one must know of it."""

    colour: Array
    memory: KeyframeMemory


class KeyframeRefiner(Protocol):
    """A rendered keyframe to a refined one."""

    def refine(self, frame: RenderedFrame, photo: Array, past: KeyframePast | None, *, seed: int) -> RefinedKeyframe:
        """Returns the refined keyframe, of the frame's size.

        Args:
            frame: The rendered keyframe.
            photo: uint8 (height, width, 3), the photo in the output window.
            past: The keyframe before; None for the first.
            seed: Seed of everything random.
        """


class ClipInterpolator(Protocol):
    """Two refined keyframes and the renders between them to the frames between."""

    def interpolate(self, first: Array, last: Array, frames: Sequence[ClipFrame]) -> Iterator[Array]:
        """Yields uint8 (height, width, 3) for each frame; the two ends are `first` and `last` themselves.

        Args:
            first: uint8 (height, width, 3), the refined keyframe at the start.
            last: The same at the end.
            frames: Renders from the first to the last keyframe, both included, read when asked for.
        """


Progress = Callable[[float, str], None]
"""Called with the share that is done, 0 to 1, and a message."""


@dataclass(frozen=True)
class ModelFiles:
    """Where the weights of a step are.

    Attributes:
        folders: By role (`backends.weights.MODELS`), in the layout of the hub.
        precision: Number type of weights and activations.
    """

    folders: Mapping[str, Path]
    precision: Precision


@dataclass(frozen=True)
class GuidedFrame:
    """A rendered frame as generative models take it.

    Attributes:
        colour: uint8 (height, width, 3) sRGB.
        depth: float32 (height, width) in 0..1, inverse depth, near is 1.
        is_foreground: bool (height, width), objects.
        is_visible: bool (height, width), seen in the photo.
        strength: float32 (height, width), how strictly the render is followed there; 1 is the paper's.
    """

    colour: Array
    depth: Array
    is_foreground: Array
    is_visible: Array
    strength: Array


@dataclass(frozen=True)
class NovelViews:
    """Views of one object: what it is, and uint8 (height, width, 4) pictures whose alpha is its mask."""

    class_name: str
    pictures: tuple[Array, ...]


@dataclass(frozen=True)
class CustomizationTask:
    """What a LoRA learns from.

    Attributes:
        photo: uint8 (height, width, 3), the photo in the output window.
        original_height: Of the whole photo that the window was cut from, in pixels.
        original_width: The same.
        crop_top: First row of the window in it.
        crop_left: First column.
        prompt: What the photo shows.
        objects: The foreground objects.
        training: Rank, steps and weights.
        models: SDXL and its autoencoder.
        seed: Of everything random.
    """

    photo: Array
    original_height: int
    original_width: int
    crop_top: int
    crop_left: int
    prompt: str
    objects: tuple[NovelViews, ...]
    training: Customization
    models: ModelFiles
    seed: int


@dataclass(frozen=True)
class TrainedLora:
    """What a training leaves besides its weights: loss by step, and a sheet of samples, uint8 (height, width, 3)."""

    losses: tuple[float, ...]
    samples: Array


class LoraTrainer(Protocol):
    """A photo and novel views to an appearance model."""

    def train(self, task: CustomizationTask, target: Path, *, checkpoints: Path, progress: Progress) -> TrainedLora:
        """Writes the LoRA as safetensors to `target`.

        Args:
            task: What to learn from.
            target: File to write.
            checkpoints: Folder whose content outlives a killed run of the same step; a later run goes on from it.
            progress: Called as the training goes on.
        """


@dataclass(frozen=True)
class KeyframeTask:
    """Keyframes to generate together.

    Attributes:
        frames: The rendered keyframes, in time order.
        prompt: What the photo shows.
        sampling: Steps, guidance and windows.
        depth: Scale of the depth condition.
        features: Lengths of the injection; None injects nothing.
        extended_attention: How the frames of a window see each other.
        lora: A LoRA in safetensors, or None.
        models: SDXL, its autoencoder and its depth ControlNet.
        seed: Of the noise.
    """

    frames: tuple[GuidedFrame, ...]
    prompt: str
    sampling: KeyframeSampling
    depth: float
    features: FeatureLengths | None
    extended_attention: Extension
    lora: Path | None
    models: ModelFiles
    seed: int


class KeyframeGenerator(Protocol):
    """Rendered keyframes to generated ones."""

    def generate(self, task: KeyframeTask, progress: Progress) -> Sequence[Array]:
        """Returns one uint8 (height, width, 3) per frame of the task, of its size."""


@dataclass(frozen=True)
class ClipTask:
    """The frames of one interval to generate.

    Attributes:
        first: uint8 (height, width, 3), the finished keyframe at the start.
        last: The same at the end.
        frames: The renders from the first to the last keyframe, both included.
        fps: Of the clip.
        prompt: What the photo shows, for models that read text.
        sampling: Steps, guidance, micro-conditioning.
        depth: Scale of the depth condition.
        features: Lengths of the injection; None injects nothing.
        models: The video model's weights.
        seed: Of the noise.
        negative_prompt: What the clip must not show, for models that read text.
    """

    first: Array
    last: Array
    frames: tuple[GuidedFrame, ...]
    fps: float
    prompt: str
    sampling: ClipSampling
    depth: float
    features: ClipFeatures | None
    models: ModelFiles
    seed: int
    negative_prompt: str = ""


class ClipGenerator(Protocol):
    """Two keyframes and the renders between them to a generated clip."""

    def generate(self, task: ClipTask, progress: Progress) -> Sequence[Array]:
        """Returns one uint8 (height, width, 3) per frame of the task; the ends meet the keyframes."""


class PictureEmbedder(Protocol):
    """Pictures to vectors whose directions are alike where the pictures are."""

    def embed(self, pictures: Sequence[Array], models: ModelFiles) -> Iterator[Array]:
        """Yields float32 (channels,) of length 1 for each picture.

        Args:
            pictures: uint8 (height, width, 3), of one size, read when asked for.
            models: The embedding model's weights.
        """


class DepthEstimator(Protocol):
    """Pictures to depths, each up to a factor and an offset."""

    def estimate(self, pictures: Sequence[Array], models: ModelFiles) -> Iterator[Array]:
        """Yields float32 (height, width) for each picture: inverse depth, near is large.

        Args:
            pictures: uint8 (height, width, 3), of one size, read when asked for.
            models: The depth model's weights.
        """
