"""Whether the weights that a scene chose are on this machine, whole, and of the right kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from i2v3d.backends.weight_files import check_fits, check_part, parts_of
from i2v3d.backends.weights import find_model, how_to_get, repository_folder, snapshot_folder
from i2v3d.errors import MissingBackendError, StageError
from i2v3d.spec.resolved_generation import ModelChoice


@dataclass(frozen=True)
class FoundWeights:
    """What is known of the weights of one role.

    Attributes:
        choice: What the scene chose.
        folder: Where they are; None where they are not, or not whole.
        problem: What is wrong; empty where nothing is.
        hint: What to do about it.
    """

    choice: ModelChoice
    folder: Path | None
    problem: str = ""
    hint: str = ""

    @property
    def source(self) -> str:
        """`owner/name@commit`, or the folder's name."""
        if self.choice.folder is not None:
            return f"{self.choice.folder.name}/"
        return f"{self.choice.repo}@{self.choice.revision[:12] or 'newest'}"

    @property
    def is_published(self) -> bool:
        """Whether these are the weights that `backends.weights.MODELS` describes."""
        return self.choice.folder is None and self.choice.repo == find_model(self.choice.role).repo

    @property
    def licence(self) -> str:
        """Licence as one line; of other weights than the published ones nothing is known."""
        return find_model(self.choice.role).licence if self.is_published else "see where you got them"

    @property
    def is_commercial(self) -> bool | None:
        """Whether everybody may use them commercially; None where that is not known."""
        return find_model(self.choice.role).is_commercial if self.is_published else None


def find_weights(choices: Iterable[ModelChoice]) -> tuple[FoundWeights, ...]:
    """Returns what is known of each choice; reads configs and lists files, but no weights."""
    found = [_find(choice) for choice in choices]
    folders = {weights.choice.role: weights.folder for weights in found if weights.folder is not None}
    for index, weights in enumerate(found):
        try:
            check_fits(weights.choice.role, folders)
        except StageError as error:
            found[index] = FoundWeights(weights.choice, None, error.message, error.hint)
    return tuple(found)


def _find(choice: ModelChoice) -> FoundWeights:
    if choice.folder is not None:
        return _checked(choice, choice.folder)
    try:
        return _checked(choice, snapshot_folder(choice.role, choice.repo, choice.revision))
    except MissingBackendError as error:
        return FoundWeights(choice, None, error.message, error.hint)


def _checked(choice: ModelChoice, folder: Path) -> FoundWeights:
    try:
        for part in parts_of(choice.role):
            check_part(part, folder)
    except StageError as error:
        if choice.folder is not None:
            return FoundWeights(choice, None, error.message, error.hint)
        get = how_to_get(choice.role, choice.repo, choice.revision)
        if any((repository_folder(choice.repo) / "blobs").glob("*.incomplete")):
            return FoundWeights(choice, None, f"{error.message}; its download was interrupted", f"go on with it: {get}")
        return FoundWeights(choice, None, error.message, f"{error.hint}; to get it: {get}")
    return FoundWeights(choice, folder)
