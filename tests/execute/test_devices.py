"""Which worker gets which GPU, told by environments alone, so that no GPU is needed."""

from pathlib import Path

import pytest

from i2v3d.backends.device import DEVICE_VARIABLE, VRAM_VARIABLE
from i2v3d.errors import UsageError
from i2v3d.execute.budget import Budget
from i2v3d.execute.devices import DeviceOptions, parse_device, parse_vram, visible_gpus, worker_devices
from i2v3d.execute.project import ProjectOptions
from i2v3d.execute.worker_pool import WorkerPool
from i2v3d.stages import load_stages
from i2v3d.stages.base import Resources

FOUR = {"CUDA_VISIBLE_DEVICES": "0,2,GPU-5,7"}


@pytest.mark.parametrize(
    ("text", "size_gb"), [("12GB", 12), ("12 gb", 12), ("11.5", 11.5), ("8000MB", 8), ("24GiB", 24), ("16g", 16)]
)
def test_an_amount_of_memory_is_read(text, size_gb):
    assert parse_vram(text) == size_gb


@pytest.mark.parametrize("text", ["", "much", "12 apples", "-4GB", "0GB", "100MB", "99999999GB", "nan"])
def test_what_is_no_amount_of_memory_is_told(text):
    with pytest.raises(UsageError, match=r"memory|can't be right"):
        parse_vram(text)


@pytest.mark.parametrize("name", ["tpu", "cuda:", "cuda:x", "0", ""])
def test_what_is_no_device_is_told_before_anything_is_read(name):
    with pytest.raises(UsageError, match="is no device"):
        parse_device(name)
    with pytest.raises(UsageError, match="is no device"):
        ProjectOptions(Path("nowhere.yaml"), device=name)


def test_each_gpu_is_one_workers_own():
    devices = worker_devices(DeviceOptions(vram_gb=12), FOUR)
    assert [device["CUDA_VISIBLE_DEVICES"] for device in devices] == ["0", "2", "GPU-5", "7"]
    assert {device[VRAM_VARIABLE] for device in devices} == {"12"}


def test_a_gpu_that_is_named_is_the_only_one():
    (device,) = worker_devices(DeviceOptions("cuda:2"), FOUR)
    assert (device["CUDA_VISIBLE_DEVICES"], device[DEVICE_VARIABLE]) == ("GPU-5", "cuda")


def test_a_gpu_that_is_not_there_is_left_for_torch_to_tell():
    assert worker_devices(DeviceOptions("cuda:9"), FOUR) == [{DEVICE_VARIABLE: "cuda:9"}]


@pytest.mark.parametrize("environment", [{**FOUR, DEVICE_VARIABLE: "cpu"}, {"CUDA_VISIBLE_DEVICES": ""}])
def test_without_gpus_there_is_one_place_for_models(environment):
    assert len(worker_devices(DeviceOptions(), environment)) == 1
    assert len(worker_devices(DeviceOptions("cpu"), FOUR)) == 1


def test_gpus_that_are_hidden_do_not_count():
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    assert visible_gpus(FOUR) == ["0", "2", "GPU-5", "7"]


def test_as_many_steps_with_models_run_at_once_as_there_are_gpus():
    budget, wanted = Budget(jobs=8, memory_gb=64, gpus=2), Resources(gpu=1)
    assert [budget.take(wanted) for _ in range(3)] == [True, True, False]
    budget.give_back(wanted)
    assert budget.take(wanted)


def environment_of(worker):
    entries = Path(f"/proc/{worker.pid}/environ").read_bytes().split(b"\0")
    return dict(entry.decode().split("=", 1) for entry in entries if b"=" in entry)


def test_workers_with_models_get_gpus_of_their_own_and_wait_there_for_their_stage():
    stages = load_stages()
    keyframes, clip, small = stages["generate_keyframes"], stages["generate_clip"], stages["depth_range"]
    pool = WorkerPool(4, worker_devices(DeviceOptions(), {"CUDA_VISIBLE_DEVICES": "3,5"}))
    try:
        with pool.worker(clip) as first, pool.worker(clip) as second, pool.worker(small) as third:
            assert [environment_of(worker).get("CUDA_VISIBLE_DEVICES") for worker in (first, second)] == ["3", "5"]
            assert environment_of(third).get("CUDA_VISIBLE_DEVICES") not in ("3", "5")
        with pool.worker(clip) as again:
            assert again is first
        with pool.worker(keyframes) as other, pool.worker(clip) as still:
            assert environment_of(other)["CUDA_VISIBLE_DEVICES"] == "3"
            assert not first.is_alive  # the models of another stage have left the GPU
            assert still is second
    finally:
        pool.kill_all()


def test_a_worker_that_ended_is_not_lent_again():
    clip = load_stages()["generate_clip"]
    pool = WorkerPool(1)
    try:
        with pool.worker(clip) as first:
            first.end()
        with pool.worker(clip) as second:
            assert second is not first
    finally:
        pool.kill_all()


def test_devices_and_budgets_name_no_other_build(tmp_path):
    plain = ProjectOptions(tmp_path / "scene.yaml")
    assert plain.identity() == ProjectOptions(tmp_path / "scene.yaml", device="cpu", vram="12GB").identity()


def test_another_place_of_weights_is_another_build(tmp_path, monkeypatch):
    options = ProjectOptions(tmp_path / "scene.yaml")
    before = options.identity()
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert options.identity() != before
