"""Folders that look like weights to whoever reads configs and lists files; they hold no values."""

import json
from pathlib import Path

from i2v3d.backends.weight_files import PARTS, parts_of
from i2v3d.backends.weights import MODELS, repository_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write_fake(folder: Path, role: str) -> Path:
    """Writes the layout of a role."""
    for part in parts_of(role):
        place = folder / part.name
        place.mkdir(parents=True, exist_ok=True)
        named = {"_class_name": part.classes[0]} if part.classes else {}
        (place / part.config).write_text(json.dumps({**named, **dict(part.settings)}))
        if part.weights:
            (place / f"{part.weights}.fp16.safetensors").touch()
        for name in part.one_of[0] if part.one_of else ():
            (place / name).touch()
    return folder


def fill_fake_cache(commit: str = COMMIT, roles: tuple[str, ...] = tuple(model.role for model in MODELS)) -> None:
    """Fills the hub's cache (`HF_HUB_CACHE`) with the published repositories, each at its own commit."""
    for model in MODELS:
        if model.role in roles:
            folder = repository_folder(model.repo)
            write_fake(folder / "snapshots" / (model.revision or commit), model.role)
            (folder / "refs").mkdir(exist_ok=True)
            (folder / "refs" / "main").write_text(commit)


ROLES = tuple(dict.fromkeys(part.role for part in PARTS))
