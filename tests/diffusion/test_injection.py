"""Injection finds its places, changes what it should, and leaves a model as it was."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.diffusion.extended_attention import ExtendedAttention
from i2v3d.diffusion.features import SourceFeatures
from i2v3d.diffusion.injection import Injection, StepContext, sdxl_places, svd_places
from i2v3d.diffusion.masks import FrameMask
from tests.diffusion.golden_cases import load_model, relative_error

BOTH = frozenset({"attention", "convolution"})


@pytest.fixture(scope="module")
def sdxl():
    return load_model(diffusers.UNet2DConditionModel, "sdxl-tiny-11", "unet")


@pytest.fixture(scope="module")
def svd():
    return load_model(diffusers.UNetSpatioTemporalConditionModel, "svd-tiny-21", "unet")


@torch.no_grad()
def evaluate(unet, latents):
    """SDXL on a batch of latents, with conditions that follow from the batch size."""
    batch = latents.shape[0]
    draw = torch.Generator().manual_seed(1)
    added = {"text_embeds": torch.randn(1, 16, generator=draw).expand(batch, -1), "time_ids": torch.ones(batch, 6)}
    embeds = torch.randn(1, 7, 16, generator=draw).expand(batch, -1, -1)
    return unet(latents, 300, encoder_hidden_states=embeds, added_cond_kwargs=added, return_dict=False)[0]


def latents(batch, height=16, width=24, seed=0):
    return torch.randn(batch, 4, height, width, generator=torch.Generator().manual_seed(seed))


def traces(unet):
    """Whatever an injection may leave behind in a model."""
    return {
        "repr": repr(unet),
        "processors": {name: id(processor) for name, processor in unet.attn_processors.items()},
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in unet.modules()],
        "attributes": [sorted(vars(module)) for module in unet.modules()],
        "forwards": ["forward" in vars(module) for module in unet.modules()],
    }


def test_the_places_are_the_published_ones(sdxl, svd):
    places = sdxl_places(sdxl)
    assert len(places.attention) == 3 * 10 + 3 * 2
    assert {name.split(".attentions")[0] for name in places.attention} == {"up_blocks.0", "up_blocks.1"}
    assert sorted(places.convolution) == [f"up_blocks.{i}.resnets.{k}.conv2" for i in range(3) for k in range(3)]
    places = svd_places(svd)
    wanted = ["1.attentions.1", "1.attentions.2"] + [f"{i}.attentions.{k}" for i in (2, 3) for k in range(3)]
    assert list(places.attention) == [f"up_blocks.{name}.transformer_blocks.0.attn1" for name in wanted]
    assert list(places.convolution) == ["up_blocks.1.resnets.1"]


def test_names_of_places_are_names_in_the_model(sdxl, svd):
    for unet, places in ((sdxl, sdxl_places(sdxl)), (svd, svd_places(svd))):
        modules = dict(unet.named_modules())
        assert all(modules[name] is module for name, module, _ in places.layers())


def test_a_model_is_as_before_after_the_block(sdxl):
    before, output = traces(sdxl), evaluate(sdxl, latents(2))
    mask = FrameMask.everywhere(1)
    extension = ExtendedAttention("all", is_foreground=FrameMask.everywhere(2), latent_size=(16, 24))
    with Injection(sdxl_places(sdxl)) as injection:
        source = injection.record(lambda: evaluate(sdxl, latents(1, seed=5)), BOTH)
        step = StepContext(latent_size=(16, 24), source=source, attention_mask=mask, convolution_mask=mask)
        with injection.replaying(step):
            assert not torch.equal(evaluate(sdxl, latents(2)), output)
        with injection.replaying(StepContext(latent_size=(16, 24), extension=extension)):
            assert not torch.equal(evaluate(sdxl, latents(2)), output)
        assert torch.equal(evaluate(sdxl, latents(2)), output), "outside a step the model is itself"
    assert traces(sdxl) == before
    assert torch.equal(evaluate(sdxl, latents(2)), output)


def test_a_model_is_as_before_after_an_error_in_the_block(sdxl):
    before = traces(sdxl)
    with pytest.raises(KeyError), Injection(sdxl_places(sdxl)) as injection:
        step = StepContext(latent_size=(16, 24), attention_mask=FrameMask.everywhere(1))
        with injection.replaying(step):
            evaluate(sdxl, latents(1))
    assert traces(sdxl) == before


@pytest.mark.parametrize(("height", "width"), [(16, 24), (18, 10), (7, 9)])
def test_a_source_injected_into_itself_changes_nothing_at_any_size(height, width, sdxl):
    sample = latents(3, height, width)
    mask = FrameMask(torch.rand(3, 8 * height, 8 * width, generator=torch.Generator().manual_seed(2)) > 0.5)
    with Injection(sdxl_places(sdxl)) as injection:
        source = injection.record(lambda: evaluate(sdxl, sample), BOTH)
        step = StepContext(latent_size=(height, width), source=source, attention_mask=mask, convolution_mask=mask)
        with injection.replaying(step):
            injected = evaluate(sdxl, sample.repeat(2, 1, 1, 1))
    plain = evaluate(sdxl, sample)
    assert relative_error(injected[:3], plain) <= 1e-5
    assert relative_error(injected[3:], plain) <= 1e-5


def test_each_frame_reads_its_own_source_in_every_branch(sdxl):
    mask = FrameMask.everywhere(2)
    target = latents(2, seed=3)
    with Injection(sdxl_places(sdxl)) as injection:
        source = injection.record(lambda: evaluate(sdxl, latents(2, seed=4)), BOTH)
        step = StepContext(latent_size=(16, 24), source=source, attention_mask=mask, convolution_mask=mask)
        with injection.replaying(step):
            together = evaluate(sdxl, target.repeat(2, 1, 1, 1))
        one = FrameMask.everywhere(1)
        context = StepContext(
            latent_size=(16, 24), source=source.window(range(1, 2)), attention_mask=one, convolution_mask=one
        )
        with injection.replaying(context):
            second = evaluate(sdxl, target[1:])
    assert relative_error(together[1:2], second) <= 1e-5
    assert relative_error(together[3:4], second) <= 1e-5


def test_a_recording_ends_after_the_last_layer_that_is_wanted(sdxl):
    passed = []
    watched = {"attention": sdxl.up_blocks[2].resnets[0].norm1, "convolution": sdxl.conv_norm_out}
    handles = [
        module.register_forward_hook(lambda *_, name=name: passed.append(name)) for name, module in watched.items()
    ]
    try:
        with Injection(sdxl_places(sdxl)) as injection:
            attention = injection.record(lambda: evaluate(sdxl, latents(1)), frozenset({"attention"}))
            assert passed == []
            injection.record(lambda: evaluate(sdxl, latents(1)), frozenset({"convolution"}))
            assert passed == ["attention"]
            assert injection.record(lambda: 1 / 0, frozenset()) == SourceFeatures({})
    finally:
        for handle in handles:
            handle.remove()
    assert len(attention) == 2 * 36


def test_features_of_part_of_the_frames_are_views_and_know_their_size():
    features = SourceFeatures({"a": torch.zeros(4, 2, 3), "b": torch.ones(4, 5)})
    part = features.window(range(1, 3))
    assert part["a"].shape == (2, 2, 3)
    assert part["a"].data_ptr() == features["a"][1:].data_ptr()
    assert features.size_bytes == 4 * (4 * 6 + 4 * 5)


def test_an_evaluation_that_passes_by_a_place_is_an_error(sdxl):
    with Injection(sdxl_places(sdxl)) as injection, pytest.raises(RuntimeError, match="passed by"):
        injection.record(lambda: None, BOTH)


def test_one_step_at_a_time_and_only_inside_the_block(sdxl):
    injection = Injection(sdxl_places(sdxl))
    step = StepContext(latent_size=(16, 24))
    with pytest.raises(RuntimeError, match="inside"), injection.replaying(step):
        pass
    with injection:
        with injection.replaying(step), pytest.raises(RuntimeError, match="one step"), injection.replaying(step):
            pass
        with pytest.raises(RuntimeError, match="already"):
            injection.__enter__()
