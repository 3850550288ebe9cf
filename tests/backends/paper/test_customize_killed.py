"""kill -9 of the worker in the middle of a training: the next build goes on, to the bytes of an undisturbed one."""

import importlib
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.artifacts.lora import Lora
from i2v3d.compile.graph import Deliverable, make_graph
from i2v3d.errors import StageError
from i2v3d.execute.build import BuildOptions, build
from i2v3d.execute.events import StepProgress
from i2v3d.spec.resolved_generation import Customization
from i2v3d.stages import base, load_stages
from i2v3d.stages.base import Node, OutputRef, SourceFile
from i2v3d.stages.customize import Params
from i2v3d.store.local import LocalStore
from tests.backends.paper.customization_task import small_models

__all__ = ["small_models"]

# What `prepare` and `foreground_mesh` would give, without Blender.
GIVEN = '''
"""Gives a photo and views."""
from dataclasses import dataclass
import numpy as np
from i2v3d.artifacts.images import Image
from i2v3d.artifacts.scene import View, Views
from i2v3d.geometry.frames import Camera, Intrinsics, Resolution
from i2v3d.stages.base import stage
from tests.backends.paper.customization_task import cut_out, photo


@dataclass(frozen=True)
class Inputs:
    pass


@dataclass(frozen=True)
class Params:
    pass


@dataclass(frozen=True)
class Outputs:
    photo: Image
    views: Views


@stage("given", version=1, nodes=lambda scene: ())
def run(inputs: Inputs, params: Params, backend: None, work) -> Outputs:
    outputs = Outputs(Image(work.output("photo")), Views(work.output("views")))
    outputs.photo.write(photo(80, 144))
    view = cut_out((200, 40, 30))
    camera = Camera(Intrinsics.from_fov(0.5, Resolution(96, 96)), np.eye(4))
    outputs.views.write((View(view, np.full((96, 96), 255, np.uint8), camera),))
    return outputs
'''
# A quick machine may end the shortest training before the kill comes.
LENGTHS = (80, 400, 2000)


@pytest.fixture
def stages(tmp_path, monkeypatch):
    package = tmp_path / "code" / "givenstages"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "given.py").write_text(GIVEN)
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[3]))  # of `tests`, for the worker
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    monkeypatch.setenv("I2V3D_DEVICE", "cpu")
    importlib.import_module("givenstages.given")
    yield {**load_stages(), "given": base.registered()["given"]}
    base._REGISTRY.pop("given")
    del sys.modules["givenstages.given"], sys.modules["givenstages"]


def training_graph(stages, models, steps):
    params = Params(
        prompt="a sks rocket",
        classes=("rocket",),
        window_left=8,
        window_top=8,
        window_width=128,
        window_height=64,
        training=Customization(rank=2, steps=steps, learning_rate=1e-3),
        precision="fp32",
        models=(),
        seed=3,
    )
    inputs = {
        "photo": OutputRef("given", "photo"),
        "views": (OutputRef("given", "views"),),
        "sdxl": SourceFile(models["sdxl"], "models.sdxl"),
        "sdxl_vae": SourceFile(models["sdxl_vae"], "models.sdxl_vae"),
    }
    nodes = [
        Node("given", "given", stages["given"].params_type()),
        Node("customize", "customize", params, inputs, backend="sdxl", origins={"training": "customize"}),
    ]
    wanted = [Deliverable("lora.safetensors", OutputRef("customize", "lora"))]
    return make_graph("killed", nodes, stages, [*wanted, Deliverable("log.json", OutputRef("customize", "log"))])


def workers():
    """Ids of this process's own worker processes."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(facts["PPid"]) == os.getpid() and b"i2v3d.execute.worker" in command:
            found.append(int(status.parent.name))
    return found


def kill_at_a_checkpoint(store, ended):
    """Kills the workers as soon as a training has left a checkpoint; ends when the build has."""
    while not ended.is_set():
        if list((store.root / "checkpoints").glob("*/training.safetensors")):
            for worker in workers():
                os.kill(worker, signal.SIGKILL)
            return
        ended.wait(0.002)


def killed_build(graph, store):
    ended = threading.Event()
    killer = threading.Thread(target=kill_at_a_checkpoint, args=(store, ended))
    killer.start()
    try:
        return build(graph, store, BuildOptions(jobs=2, retries=0))
    finally:
        ended.set()
        killer.join()


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(stages, small_models, tmp_path):
    for steps in LENGTHS:
        graph = training_graph(stages, small_models, steps)
        store = LocalStore(tmp_path / f"store{steps}")
        killed = killed_build(graph, store)
        if not killed.is_success:
            break
        store.close()
    assert isinstance(killed.failures["customize"], StageError)
    assert "its process was killed" in killed.failures["customize"].message
    (kept,) = (store.root / "checkpoints").glob("*/training.safetensors")

    messages = []
    resumed = build(
        graph,
        store,
        BuildOptions(out_dir=tmp_path / "resumed", jobs=2),
        lambda event: messages.append(event.message) if isinstance(event, StepProgress) else None,
    )
    assert resumed.is_success
    assert resumed.executed == ("customize",)
    (goes_on,) = (message for message in messages if message.startswith("goes on after step"))
    done = int(goes_on.removeprefix("goes on after step ").partition(",")[0])
    assert 0 < done < steps
    first = next(message for message in messages if message.startswith("step "))
    assert int(first.split()[1]) > done
    assert not kept.exists()

    clean_store = LocalStore(tmp_path / "clean_store")
    assert build(graph, clean_store, BuildOptions(out_dir=tmp_path / "clean", jobs=2)).is_success
    for name in ("lora.safetensors", "log.json"):
        assert (tmp_path / "resumed" / name).read_bytes() == (tmp_path / "clean" / name).read_bytes()
    Lora(tmp_path / "clean" / "lora.safetensors").check()
    store.close()
    clean_store.close()
