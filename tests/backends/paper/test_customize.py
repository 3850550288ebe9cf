"""A training from pictures to a file: the same bytes each time, going on where it was stopped, clear when it fails."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.artifacts.lora import Lora
from i2v3d.backends.base import ModelFiles, NovelViews
from i2v3d.backends.paper import customize
from i2v3d.backends.paper.customize import SdxlLoraTrainer
from i2v3d.errors import StageError
from tests.backends.paper.customization_task import small_models, task

__all__ = ["small_models"]


class StoppedError(Exception):
    pass


@dataclasses.dataclass
class Run:
    """One training in a folder, with what it said."""

    folder: object
    messages: list = dataclasses.field(default_factory=list)
    stop_at: str = "never"

    def train(self, given, name="lora"):
        def progress(share, message):
            assert 0 <= share <= 1
            self.messages.append(message)
            if message.startswith(self.stop_at):
                raise StoppedError

        (self.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        target = self.folder / f"{name}.safetensors"
        result = SdxlLoraTrainer().train(given, target, checkpoints=self.folder / "checkpoints", progress=progress)
        Lora(target).check()
        return target.read_bytes(), result


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("I2V3D_DEVICE", "cpu")


@pytest.fixture
def every_step(monkeypatch):
    """Losses are read, and checkpoints written, after every step."""
    monkeypatch.setattr(customize, "_READ_STEPS", 1)
    monkeypatch.setattr(customize, "_DISK_BYTES_PER_S", 1e18)


def test_equal_tasks_give_equal_bytes_and_another_seed_others(small_models, tmp_path):
    given = task(small_models, training={"is_flipped": True})
    first, result = Run(tmp_path / "a").train(given)
    second, again = Run(tmp_path / "b").train(given)
    assert first == second
    assert result.losses == again.losses
    assert len(result.losses) == 3
    assert np.array_equal(result.samples, again.samples)
    assert result.samples.dtype == np.uint8
    assert Run(tmp_path / "c").train(dataclasses.replace(given, seed=8))[0] != first


def test_a_stopped_training_goes_on_to_the_same_bytes(small_models, tmp_path, every_step):
    given = task(small_models, training={"steps": 4})
    whole, result = Run(tmp_path / "whole").train(given)
    with pytest.raises(StoppedError):
        Run(tmp_path / "stopped", stop_at="step 3").train(given)
    rest = Run(tmp_path / "stopped")
    resumed, resumed_result = rest.train(given)
    assert "goes on after step 2, where an earlier run was stopped" in rest.messages
    assert [message.split(",")[0] for message in rest.messages if message.startswith("step")] == [
        "step 3 of 4",
        "step 4 of 4",
    ]
    assert resumed == whole
    assert resumed_result.losses == result.losses


@pytest.mark.parametrize("harm", ["cut", "changed", "not ours", "other task"])
def test_a_checkpoint_that_is_damaged_or_of_another_training_is_not_used_and_told(
    harm, small_models, tmp_path, every_step
):
    given = task(small_models, training={"steps": 2})
    with pytest.raises(StoppedError):
        Run(tmp_path, stop_at="step 2").train(given)
    (kept,) = (tmp_path / "checkpoints").glob("*.safetensors")
    content = kept.read_bytes()
    if harm == "cut":
        kept.write_bytes(content[: len(content) // 2])
    elif harm == "changed":
        kept.write_bytes(content[:-1000] + bytes([content[-1000] ^ 1]) + content[-999:])
    elif harm == "not ours":
        kept.write_bytes(content.replace(b'"i2v3d"', b'"i2v4d"'))
    else:
        given = dataclasses.replace(given, prompt="a cup")
    run = Run(tmp_path)
    again, _ = run.train(given)
    expected = "it is of another training" if harm == "other task" else "it is damaged"
    assert any(expected in message and message.startswith("warning: begins anew") for message in run.messages)
    assert again == Run(tmp_path / "clean").train(given)[0]


@pytest.mark.slow
def test_without_views_the_photo_is_learnt_alone(small_models, tmp_path):
    hidden = NovelViews("cup", (np.zeros((96, 96, 4), np.uint8),))
    alone = [
        task(small_models, objects=()),
        task(small_models, training={"views": "single"}),
        task(small_models, training={"augmentation_weight": 0.0}),
        task(small_models, objects=(hidden,)),
    ]
    results = {Run(tmp_path / str(index)).train(given)[0] for index, given in enumerate(alone)}
    assert len(results) == 1
    assert Run(tmp_path / "both").train(task(small_models))[0] not in results


@pytest.mark.slow
def test_the_sheet_has_a_row_for_the_photo_and_each_object(small_models, tmp_path):
    _, result = Run(tmp_path / "a").train(task(small_models, training={"steps": 1}))
    _, alone = Run(tmp_path / "b").train(task(small_models, objects=(), training={"steps": 1}))
    row_px = 34 + 512 * 64 // 128 + 12
    assert result.samples.shape[0] - alone.samples.shape[0] == 2 * row_px


def test_a_loss_that_is_no_number_is_an_error_with_a_way_out(small_models, tmp_path):
    given = task(small_models, training={"learning_rate": 1e30, "steps": 4})
    with pytest.raises(StageError, match=r"the loss of step \d is not a number \(fp32\)") as raised:
        Run(tmp_path).train(given)
    assert "customize.lr" in raised.value.hint
    assert raised.value.field == "training"
    half = dataclasses.replace(given, models=ModelFiles(small_models, "fp16"))
    with pytest.raises(StageError, match=r"\(fp16\)") as raised:
        Run(tmp_path / "half").train(half)
    assert "models.precision: bf16" in raised.value.hint
    assert raised.value.field == "precision"


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_it_trains_in_half_precision_with_float32_weights(precision, small_models, tmp_path):
    given = task(small_models, precision=precision, training={"steps": 2})
    content, result = Run(tmp_path).train(given)
    exact = Run(tmp_path / "exact").train(task(small_models, training={"steps": 2}))[1]
    assert result.losses == pytest.approx(exact.losses, rel=0.05)
    assert b'"F32"' in content
    assert b'"F16"' not in content


@pytest.mark.slow
def test_a_device_that_runs_out_of_memory_gets_a_more_frugal_step(small_models, tmp_path, monkeypatch):
    given = task(small_models, training={"steps": 2})
    wanted, _ = Run(tmp_path / "a").train(given)
    advance, tries = customize.LoraTraining.advance, []

    def out_of_memory_at_first(training):
        tries.append(training.step)
        if len(tries) in (1, 2, 3)[:failures]:
            raise torch.cuda.OutOfMemoryError
        return advance(training)

    monkeypatch.setattr(customize.LoraTraining, "advance", out_of_memory_at_first)
    failures = 1
    assert Run(tmp_path / "b").train(given)[0] == wanted
    assert tries == [0, 0, 1]
    failures = 3
    tries.clear()
    with pytest.raises(StageError, match="too little memory"):
        Run(tmp_path / "c").train(given)
