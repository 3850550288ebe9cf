"""Fixtures of several folders."""

import os

import pytest


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    """Folders of tiny random models by role, see `tests.tiny_models`; nobody writes in them."""
    for library in ("torch", "diffusers", "transformers"):
        pytest.importorskip(library, reason="needs the extra i2v3d[diffusion]")
    from tests.tiny_models import write_models

    return write_models(tmp_path_factory.mktemp("tiny_models"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many workers again as there are cores: whole builds wait for processes to start and files to be safe."""
    return max(1, len(os.sched_getaffinity(0)) * 3 // 2)
