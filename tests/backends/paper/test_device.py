"""The device and its budget come from the environment of the worker process."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")

from i2v3d.backends.device import DEVICE_VARIABLE, VRAM_VARIABLE, memory_gb, open_device
from i2v3d.errors import MissingBackendError


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch):
    monkeypatch.delenv(DEVICE_VARIABLE, raising=False)
    monkeypatch.delenv(VRAM_VARIABLE, raising=False)


def test_the_budget_is_all_that_the_device_has_unless_it_is_given(monkeypatch):
    monkeypatch.setenv(DEVICE_VARIABLE, "cpu")
    device = open_device()
    assert device.torch_device == torch.device("cpu")
    assert device.vram_gb == memory_gb(device.torch_device) > 0.1
    monkeypatch.setenv(VRAM_VARIABLE, "0.05")
    assert open_device().vram_gb == 0.05
    monkeypatch.setenv(VRAM_VARIABLE, "1e9")
    assert open_device().vram_gb == memory_gb(device.torch_device)


@pytest.mark.parametrize("name", ["cuda:97", "xpu", "gpu"])
def test_a_device_that_is_not_there_is_told(monkeypatch, name):
    monkeypatch.setenv(DEVICE_VARIABLE, name)
    with pytest.raises(MissingBackendError, match=name):
        open_device()
