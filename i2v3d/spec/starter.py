"""A new scene folder: a starter spec from `templates/scenes/` beside a copy of the photo."""

from __future__ import annotations

import shutil
from pathlib import Path

from i2v3d.errors import UsageError
from i2v3d.resources import schemas_dir, templates_dir
from i2v3d.spec.references import PICTURE
from i2v3d.spec.suggest import hint_for, scene_name
from i2v3d.spec.template import render_template

_SUFFIX = ".yaml.j2"


def starter_names() -> tuple[str, ...]:
    """Returns the names of the starter specs."""
    return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in _folder().glob(f"*{_SUFFIX}")))


def write_starter(folder: Path, *, image: Path | None, template: str) -> Path:
    """Writes `folder`/scene.yaml and copies the photo beside it; returns the spec's path.

    Without a photo the spec names `photo.jpg`, which is to be put there.

    Raises:
        UsageError: No such starter, no picture, a spec is there already, or the folder can't be written.
    """
    if template not in starter_names():
        raise UsageError(
            f"there is no starter `{template}`", hint=hint_for(template, starter_names(), label="starters")
        )
    if image is not None and image.suffix.lower() not in PICTURE.suffixes:
        raise UsageError(f"{image} is not a picture", hint=f"give one of {', '.join(PICTURE.suffixes)}")
    spec = folder / "scene.yaml"
    if spec.exists():
        raise UsageError(f"{spec} is there already", hint="give another folder, or edit it")
    source = _folder() / f"{template}{_SUFFIX}"
    variables = {
        "name": scene_name(folder.absolute().name),
        "image": image.name if image is not None else "photo.jpg",
        "schema": (schemas_dir() / "scene.schema.json").as_posix(),
    }
    text = render_template(source, source.read_text(encoding="utf-8"), variables).text
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if image is not None and not (folder / image.name).exists():
            shutil.copyfile(image, folder / image.name)
        unfinished = folder / ".scene.yaml.new"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(spec)
    except OSError as error:
        raise UsageError(f"{folder} can't be written: {error.strerror}") from error
    return spec


def _folder() -> Path:
    return templates_dir() / "scenes"
