"""How stages with pretrained weights name them: a user's folder is an input, a hub's repository a parameter.

So a folder is keyed by its content, and a repository by its revision; neither by where it lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.backends.base import ModelFiles
from i2v3d.backends.weights import snapshot_folder
from i2v3d.spec.resolved_generation import Precision
from i2v3d.stages.base import SourceFile

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class HubModel:
    """Weights in a repository of the hub; a folder in its place has no HubModel."""

    role: str
    repo: str
    revision: str


def hub_models(scene: Scene, roles: tuple[str, ...]) -> tuple[HubModel, ...]:
    """Returns those roles that are read from the hub's cache."""
    choices = (scene.generation.model(role) for role in roles)
    return tuple(HubModel(choice.role, choice.repo, choice.revision) for choice in choices if choice.folder is None)


def model_folders(scene: Scene, roles: tuple[str, ...]) -> dict[str, SourceFile | None]:
    """Returns the inputs of a node, by role: the user's folder, or None where the hub's cache is read."""
    choices = {role: scene.generation.model(role) for role in roles}
    return {
        role: None if choice.folder is None else SourceFile(choice.folder, f"models.{role}")
        for role, choice in choices.items()
    }


def model_files(folders: Mapping[str, Path | None], hub: tuple[HubModel, ...], precision: Precision) -> ModelFiles:
    """Returns where a running step finds its weights.

    Raises:
        MissingBackendError: Weights are not on this machine.
    """
    found = {role: folder for role, folder in folders.items() if folder is not None}
    for model in hub:
        found[model.role] = snapshot_folder(model.role, model.repo, model.revision)
    return ModelFiles(found, precision)
