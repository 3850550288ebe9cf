"""What a training learns from, and what it leaves in the output folder."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.scene import View, Views
from i2v3d.backends.base import TrainedLora
from i2v3d.backends.catalog import default_backends
from i2v3d.backends.weights import MODELS
from i2v3d.compile.scene import compile_scene
from i2v3d.geometry.frames import Camera, Intrinsics, Resolution
from i2v3d.spec.resolved import Keyframing, Prompts
from i2v3d.spec.resolved_generation import Customization, Generation, ModelChoice
from i2v3d.stages import customize, load_stages
from i2v3d.stages.base import OutputRef
from tests.hand_made_scene import scene as hand_made
from tests.work_folder import WorkFolder

PROMPTS = Prompts((110.0, 50.0, 150.0, 130.0), (), (), (), None, 4.0, 2.0)
CHOICES = tuple(ModelChoice(model.role, model.repo, "0" * 40) for model in MODELS)


def paper_scene(things=None, **customization):
    made = hand_made(9)
    seen = dataclasses.replace(made.objects[0], prompts=PROMPTS, class_name="post card")
    return dataclasses.replace(
        made,
        profile="paper",
        backends=default_backends("paper"),
        keyframing=Keyframing((0, 8)),
        objects=(seen, *(made.objects[1:] if things is None else things)),
        generation=Generation(models=CHOICES, customization=Customization(**customization)),
    )


def node_of(scene):
    (node,) = customize.nodes(scene)
    return node


def test_things_of_the_photo_are_learnt_and_copies_and_added_things_are_not():
    seen = paper_scene().objects[0]
    others = (
        dataclasses.replace(seen, name="copy", prompts=None, copy_of="card"),
        dataclasses.replace(seen, name="added", prompts=None),
        dataclasses.replace(seen, name="gone", is_removed=True),
        dataclasses.replace(seen, name="stamp", class_name=""),
        dataclasses.replace(seen, name="mask", mesh_of="card"),
    )
    node = node_of(paper_scene(others))
    assert node.inputs["views"] == tuple(OutputRef(f"foreground_mesh[{name}]", "views") for name in ("card", "stamp"))
    assert node.params.classes == ("post card", "stamp")


def test_the_ablation_learns_the_photo_alone():
    node = node_of(paper_scene(views="single"))
    assert node.inputs["views"] == ()
    assert node.params.classes == ()


def test_the_lora_its_log_and_its_sheet_are_delivered():
    graph = compile_scene(paper_scene(), load_stages())
    delivered = {item.path: item.ref for item in graph.deliverables}
    assert delivered["customize/lora.safetensors"] == OutputRef("customize", "lora")
    assert delivered["customize/log.json"] == OutputRef("customize", "log")
    assert delivered["customize/samples.png"] == OutputRef("customize", "samples")


@dataclass
class Listener:
    """A trainer that only notes its task."""

    tasks: list = field(default_factory=list)

    def train(self, task, target, *, checkpoints, progress):
        assert checkpoints.is_dir()
        self.tasks.append(task)
        target.write_bytes(b"")
        progress(1.0, "done")
        return TrainedLora((0.5, 0.25), np.zeros((4, 4, 3), np.uint8))


@dataclass(frozen=True)
class NotingFolder(WorkFolder):
    warnings: list = field(default_factory=list)

    def warn(self, message, *, field=""):
        self.warnings.append((message, field))


@pytest.mark.parametrize("prompt", ["a photo of a card", ""])
def test_the_window_is_cut_from_the_photo_and_a_missing_prompt_is_told(prompt, tmp_path):
    photo = np.random.default_rng(0).integers(0, 255, (164, 256, 3), dtype=np.uint8)
    Image(tmp_path / "photo.png").write(photo)
    view = View(
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8), np.uint8),
        Camera(Intrinsics.from_fov(0.5, Resolution(8, 8)), np.eye(4)),
    )
    Views(tmp_path / "views").write((view, view))
    inputs = customize.Inputs(
        Image(tmp_path / "photo.png"), (Views(tmp_path / "views"),), Path("sdxl"), Path("sdxl_vae")
    )
    params = dataclasses.replace(node_of(paper_scene(things=())).params, prompt=prompt, models=())
    trainer, work = Listener(), NotingFolder(tmp_path, customize.Outputs)
    outputs = customize.run(inputs, params, trainer, work)
    (task,) = trainer.tasks
    assert np.array_equal(task.photo, photo[20:164])
    assert (task.original_height, task.original_width, task.crop_top, task.crop_left) == (164, 256, 20, 0)
    assert [(thing.class_name, len(thing.pictures)) for thing in task.objects] == [("post card", 2)]
    assert outputs.log.read_json() == {"loss": [0.5, 0.25]}
    assert [field for _, field in work.warnings] == ([] if prompt else ["prompt"])
