"""Source features into a model, in a `with` block.

Layers are found by the model's structure, read and replaced through forward hooks, and attention across frames is an
attention processor; leaving the block takes all of it out again. What an evaluation reads is one frozen `StepContext`
that surrounds it:

    with Injection(sdxl_places(unet)) as injection:
        source = injection.record(lambda: predict(source_latents), {"attention", "convolution"})
        with injection.replaying(StepContext(source=source, ...)):
            predict(target_latents)

Source: plug-and-play features (Tumanyan et al. 2023), paper section 3.2.2 (pictures) and 3.3 (video).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from i2v3d.diffusion.extended_attention import ExtendedAttention
from i2v3d.diffusion.features import FeatureKind, SourceFeatures
from i2v3d.diffusion.masks import FrameMask

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel, UNetSpatioTemporalConditionModel
    from diffusers.models.attention_processor import Attention


@dataclass(frozen=True)
class Places:
    """Where features are read and replaced, by the name of the layer in its model.

    Attributes:
        attention: Self-attention modules; the outputs of their `to_q` and `to_k` are exchanged.
        convolution: Modules whose whole output is exchanged.
        decoder: Blocks that hold all of these, in order; before them every frame is evaluated for itself.
    """

    attention: dict[str, Attention]
    convolution: dict[str, nn.Module]
    decoder: tuple[nn.Module, ...] = ()

    def layers(self) -> Iterator[tuple[str, nn.Module, FeatureKind]]:
        """Each layer whose output is a feature."""
        for name, module in self.attention.items():
            yield f"{name}.to_q", module.to_q, "attention"
            yield f"{name}.to_k", module.to_k, "attention"
        for name, module in self.convolution.items():
            yield name, module, "convolution"


def sdxl_places(unet: UNet2DConditionModel) -> Places:
    """The published places in SDXL: all that its up-blocks have.

    Self-attention of every transformer block, and the residual branch of every resnet (its second convolution, before
    the shortcut is added).
    """
    attention: dict[str, Attention] = {}
    convolution: dict[str, nn.Module] = {}
    for index, block in enumerate(unet.up_blocks):
        attention |= _self_attention(block, f"up_blocks.{index}", first=0)
        convolution |= {
            f"up_blocks.{index}.resnets.{number}.conv2": resnet.conv2 for number, resnet in enumerate(block.resnets)
        }
    return Places(attention=attention, convolution=convolution, decoder=tuple(unet.up_blocks))


def svd_places(unet: UNetSpatioTemporalConditionModel) -> Places:
    """The published places in SVD.

    The second resnet of the first up-block that has attention, and the spatial self-attention that comes with or after
    it: `up_blocks.1.attentions.1` and on.
    """
    with_attention = [index for index, block in enumerate(unet.up_blocks) if getattr(block, "attentions", None)]
    first = with_attention[0]
    attention: dict[str, Attention] = {}
    for index in with_attention:
        attention |= _self_attention(unet.up_blocks[index], f"up_blocks.{index}", first=int(index == first))
    return Places(attention=attention, convolution={f"up_blocks.{first}.resnets.1": unet.up_blocks[first].resnets[1]})


def _self_attention(block: nn.Module, name: str, *, first: int) -> dict[str, Attention]:
    """The spatial self-attention of a block's transformers, from transformer `first` on."""
    transformers = list(getattr(block, "attentions", None) or ())
    return {
        f"{name}.attentions.{index}.transformer_blocks.{depth}.attn1": layer.attn1
        for index, transformer in enumerate(transformers)
        if index >= first
        for depth, layer in enumerate(transformer.transformer_blocks)
    }


@dataclass(frozen=True)
class FrameRepeats:
    """Frames that several windows share are evaluated once up to the decoder, and there once per window.

    Attributes:
        frames: Frames of a branch before the decoder.
        places: `places`, int64: for each frame of a branch in the decoder, which of them it is.
    """

    frames: int
    places: Tensor

    def applied(self, tensor: Tensor, branches: int) -> Tensor:
        """A tensor of `branches*frames ...` as `branches*places ...`; any other first dimension is left alone."""
        if tensor.shape[0] != branches * self.frames or len(self.places) == self.frames:
            return tensor
        return tensor.unflatten(0, (branches, self.frames)).index_select(1, self.places).flatten(0, 1)


@dataclass(frozen=True)
class StepContext:
    """What one evaluation of the target branches reads.

    The model's batch is `branches*frames`, the frames of a branch together; `frames` is that of the masks. With
    `repeats` it is so in the decoder only, and smaller before.

    Attributes:
        latent_size: `(height, width)` of the latent, from which the token grid of each layer follows.
        source: Features that hold those of the same frames; needed where a mask is set.
        source_frames: Which frames of `source` they are, int64; None: all, in order.
        attention_mask: Where q and k are replaced; None replaces none.
        convolution_mask: Where convolution features are replaced; None replaces none.
        extension: How self-attention reaches over the frames; None leaves it as the model has it.
        repeats: Frames that the decoder sees more than once; None where there are none.
    """

    latent_size: tuple[int, int]
    source: Mapping[str, Tensor] = field(default_factory=dict)
    source_frames: Tensor | None = None
    attention_mask: FrameMask | None = None
    convolution_mask: FrameMask | None = None
    extension: ExtendedAttention | None = None
    repeats: FrameRepeats | None = None


@dataclass(frozen=True)
class _Recording:
    """What one evaluation of the source writes, and whether to end it when all is written."""

    wanted: frozenset[str]
    ends_when_full: bool
    tensors: dict[str, Tensor] = field(default_factory=dict)
    store: Callable[[str, Tensor], Tensor] | None = None

    def keep(self, name: str, output: Tensor) -> None:
        """Keeps a layer's output: as it is, or where `store` puts it."""
        self.tensors[name] = self.store(name, output.detach()) if self.store else output.detach()


class _EverythingRecordedError(Exception):
    """The source evaluation has passed its last wanted layer; what follows serves nothing."""


class Injection:
    """Hooks and attention processors on a model's places, while the `with` block lasts."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._exits: ExitStack | None = None
        self._phase: _Recording | StepContext | None = None

    def __enter__(self) -> Self:
        if self._exits is not None:
            message = "this injection is already in place"
            raise RuntimeError(message)
        with ExitStack() as exits:
            for name, module, kind in self._places.layers():
                exits.callback(module.register_forward_hook(self._hook(name, kind)).remove)
            for block in self._places.decoder:
                exits.callback(block.register_forward_pre_hook(self._repeat_frames, with_kwargs=True).remove)
            for attention in self._places.attention.values():
                previous = attention.get_processor()
                exits.callback(attention.set_processor, previous)
                attention.set_processor(_AcrossFrames(previous, self._extension))
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._exits is not None:
            self._exits.close()
            self._exits = None

    def record(
        self,
        evaluate: Callable[[], object],
        kinds: frozenset[FeatureKind],
        *,
        store: Callable[[str, Tensor], Tensor] | None = None,
    ) -> SourceFeatures:
        """The features of an evaluation that is wanted for nothing else.

        It ends early, after the last layer asked for; `evaluate` must not swallow exceptions.

        Args:
            evaluate: Evaluates the source.
            kinds: What to keep.
            store: Puts a feature of a name where it is to stay, and returns it there; None keeps the layers' outputs.
        """
        recording = _Recording(self.names(kinds), ends_when_full=True, store=store)
        if not recording.wanted:
            return SourceFeatures({})
        with self._during(recording):
            try:
                evaluate()
            except _EverythingRecordedError:
                return SourceFeatures(recording.tensors)
        missing = sorted(recording.wanted - set(recording.tensors))
        message = f"the evaluation passed by {len(missing)} layers, such as {missing[0]}; are projections fused?"
        raise RuntimeError(message)

    @contextmanager
    def recording(
        self, kinds: frozenset[FeatureKind], *, store: Callable[[str, Tensor], Tensor] | None = None
    ) -> Iterator[dict[str, Tensor]]:
        """Fills the yielded dictionary with the features of the evaluation inside, which goes on to its end.

        Args:
            kinds: What to keep.
            store: As in `record`.
        """
        recording = _Recording(self.names(kinds), ends_when_full=False, store=store)
        with self._during(recording):
            yield recording.tensors

    @contextmanager
    def replaying(self, step: StepContext) -> Iterator[None]:
        """The evaluation inside reads `step`."""
        with self._during(step):
            yield

    @contextmanager
    def _during(self, phase: _Recording | StepContext) -> Iterator[None]:
        if self._exits is None or self._phase is not None:
            message = "evaluate one step at a time, inside the injection's `with` block"
            raise RuntimeError(message)
        self._phase = phase
        try:
            yield
        finally:
            self._phase = None

    def names(self, kinds: frozenset[FeatureKind]) -> frozenset[str]:
        """The names of all features of these kinds."""
        return frozenset(name for name, _, kind in self._places.layers() if kind in kinds)

    def _extension(self) -> ExtendedAttention | None:
        return self._phase.extension if isinstance(self._phase, StepContext) else None

    def _repeat_frames(
        self, _block: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Repeats what a decoder block is given; diffusers calls them with names only."""
        repeats = self._phase.repeats if isinstance(self._phase, StepContext) else None
        if repeats is None:
            return None
        branches = named["temb"].shape[0] // repeats.frames

        def repeated(value: Any) -> Any:  # whatever a block is given
            if isinstance(value, tuple):
                return tuple(repeated(item) for item in value)
            return repeats.applied(value, branches) if isinstance(value, Tensor) and value.ndim else value

        return arguments, {name: repeated(value) for name, value in named.items()}

    def _hook(self, name: str, kind: FeatureKind) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        @torch.compiler.disable  # a compiled block calls it as it is: what it reads and writes changes by step
        def read_or_replace(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:  # any layer's inputs
            # A tensor in every case: code that is compiled around the hook is then the same in every case.
            phase = self._phase
            if isinstance(phase, StepContext):
                mask = phase.attention_mask if kind == "attention" else phase.convolution_mask
                if mask is None:
                    return output
                source = phase.source[name]
                if phase.source_frames is not None:
                    source = source.index_select(0, phase.source_frames)
                return _replaced(output, source, mask, phase.latent_size)
            if phase is not None and name in phase.wanted:
                phase.keep(name, output)
                if phase.ends_when_full and len(phase.tensors) == len(phase.wanted):
                    raise _EverythingRecordedError
            return output

        return read_or_replace


def _replaced(target: Tensor, source: Tensor, mask: FrameMask, latent_size: tuple[int, int]) -> Tensor:
    """The target's features with the source's where the mask holds, the same in every branch.

    Args:
        target: `branches*frames tokens channels` or `branches*frames channels height width`.
        source: `frames ...`, the same behind.
        mask: One per frame.
        latent_size: `(height, width)` of the latent.
    """
    source = source.to(target.device, target.dtype, non_blocking=True)
    branches = target.unflatten(0, (-1, mask.frames))
    if mask.is_everywhere:
        return torch.cat([source] * branches.shape[0])  # which keeps the memory layout
    if target.ndim == 4:
        is_replaced = mask.at(*target.shape[-2:])[:, None]
    else:
        is_replaced = mask.tokens(target.shape[1], latent_size)[..., None]
    return torch.where(is_replaced, source, branches).flatten(0, 1)


class _AcrossFrames:
    """Self-attention that reaches over frames while a step says so, and is the model's own otherwise."""

    def __init__(self, previous: Callable[..., Tensor], extension: Callable[[], ExtendedAttention | None]) -> None:
        self._previous = previous
        self._extension = extension

    @torch.compiler.disable  # indices of foreground and background differ in every clip
    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        extension = self._extension()
        if extension is None:
            return self._previous(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        heads = [
            project(hidden_states).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for project in (attn.to_q, attn.to_k, attn.to_v)
        ]
        output = extension.attend(*heads).transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](output)) / attn.rescale_output_factor
