"""Attention across frames equals one attention under a mask over all pairs of tokens."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")

from torch.nn.functional import scaled_dot_product_attention

from i2v3d.diffusion.extended_attention import ExtendedAttention
from i2v3d.diffusion.masks import FrameMask

HEIGHT, WIDTH, FRAMES, BRANCHES, HEADS, DIM = 4, 6, 3, 2, 2, 8


def tensors():
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(BRANCHES * FRAMES, HEADS, HEIGHT * WIDTH, DIM, generator=draw) for _ in range(3)]


def masked_reference(query, key, value, may_see):
    """`may_see`: `frames*tokens frames*tokens`, row sees column."""

    def joined(tensor):
        return tensor.reshape(BRANCHES, FRAMES, HEADS, -1, DIM).transpose(1, 2).reshape(BRANCHES, HEADS, -1, DIM)

    output = scaled_dot_product_attention(joined(query), joined(key), joined(value), attn_mask=may_see)
    return output.reshape(BRANCHES, HEADS, FRAMES, -1, DIM).transpose(1, 2).reshape(query.shape)


def pairs(mode, is_foreground):
    """Which query sees which key, written as the rule reads."""
    frame = torch.arange(FRAMES).repeat_interleave(HEIGHT * WIDTH)
    is_own = frame[:, None] == frame[None]
    if mode == "all":
        return torch.ones_like(is_own)
    if mode == "none":
        return is_own
    is_background = ~is_foreground.flatten()
    return is_own | (is_background[:, None] & is_background[None])


@pytest.mark.parametrize("mode", ["all", "background", "none"])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_it_equals_attention_under_a_mask(mode, share):
    is_foreground = torch.rand(FRAMES, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)) < share
    attention = ExtendedAttention(mode, is_foreground=FrameMask(is_foreground), latent_size=(HEIGHT, WIDTH))
    got = attention.attend(*tensors())
    torch.testing.assert_close(got, masked_reference(*tensors(), pairs(mode, is_foreground)), rtol=1e-5, atol=1e-6)


def test_a_single_frame_attends_to_itself():
    alone = ExtendedAttention("background", is_foreground=FrameMask.everywhere(1), latent_size=(HEIGHT, WIDTH))
    query, key, value = tensors()
    torch.testing.assert_close(alone.attend(query, key, value), scaled_dot_product_attention(query, key, value))


def test_windows_see_nothing_of_each_other():
    sizes = (3, 1, 2, 4)
    frames = sum(sizes)
    draw = torch.Generator().manual_seed(2)
    is_foreground = torch.rand(frames, HEIGHT, WIDTH, generator=draw) < 0.3
    is_foreground[4:6] = False  # a window without a foreground
    is_foreground[7] = True  # a frame without a background
    tensors = [torch.randn(BRANCHES * frames, HEADS, HEIGHT * WIDTH, DIM, generator=draw) for _ in range(3)]
    joint = ExtendedAttention(
        "background", is_foreground=FrameMask(is_foreground), latent_size=(HEIGHT, WIDTH), windows=sizes
    )
    got = joint.attend(*tensors).unflatten(0, (BRANCHES, frames))
    first = 0
    for size in sizes:
        window = range(first, first + size)
        alone = ExtendedAttention(
            "background", is_foreground=FrameMask(is_foreground).window(window), latent_size=(HEIGHT, WIDTH)
        )
        own = [item.unflatten(0, (BRANCHES, frames))[:, first : window.stop].flatten(0, 1) for item in tensors]
        wanted = alone.attend(*own).unflatten(0, (BRANCHES, size))
        torch.testing.assert_close(got[:, first : window.stop], wanted, rtol=1e-5, atol=1e-6)
        first = window.stop
