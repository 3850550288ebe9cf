"""Clips decoded in chunks: as near to the whole clip as chunks come, and exactly it where one chunk holds it."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.diffusion.latents import decode_clip
from tests.diffusion.golden_cases import load_model

FRAMES = 12


@pytest.fixture(scope="module")
def decoder():
    return load_model(diffusers.AutoencoderKLTemporalDecoder, "svd-tiny-21", "vae")


@pytest.fixture(scope="module")
def latents():
    first, last = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1)) * 0.3
    share = torch.linspace(0, 1, FRAMES)[:, None, None, None]
    return first * (1 - share) + last * share


@pytest.fixture(scope="module")
def whole(decoder, latents):
    return decode_clip(decoder, latents)


def test_a_chunk_that_holds_the_clip_is_the_whole_clip(decoder, latents, whole):
    assert torch.equal(decode_clip(decoder, latents, chunk=50, overlap=25), whole)
    assert whole.shape == (FRAMES, 3, 64, 64)
    assert 0 <= float(whole.min()) < float(whole.max()) <= 1


def test_overlapping_chunks_come_nearer_to_the_whole_clip(decoder, latents, whole):
    errors = {}
    for chunk, overlap in ((3, 0), (6, 0), (6, 3)):
        decoded = decode_clip(decoder, latents, chunk=chunk, overlap=overlap)
        assert decoded.shape == whole.shape
        errors[chunk, overlap] = float((decoded - whole).abs().mean())
    assert errors[6, 3] < errors[6, 0] < errors[3, 0], errors


def test_overlapping_chunks_leave_no_step_where_they_meet(decoder, latents, whole):
    def largest_step(clip):
        return float((clip[1:] - clip[:-1]).abs().mean(dim=(1, 2, 3)).max())

    apart, faded = (largest_step(decode_clip(decoder, latents, chunk=6, overlap=overlap)) for overlap in (0, 3))
    assert faded < apart
    assert faded < 2 * largest_step(whole)
