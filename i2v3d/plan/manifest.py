"""`build.json`: what a result was made from and with, and what it is; the lock of a scene.

The model is also its schema: `python -m i2v3d.plan.manifest` writes schemas/build.schema.json. Every path is relative
to the file itself, so a folder may be moved; nothing names a host or a user.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from i2v3d.errors import UsageError
from i2v3d.resources import schemas_dir

FILE_NAME = "build.json"
SCHEMA_FILE = "build.schema.json"
FORMAT: Literal[1] = 1

_LINE_WIDTH = 180


class Section(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileDigest(Section):
    """A file or folder that was read."""

    path: str = Field(description="Relative to build.json, with forward slashes.")
    digest: str = Field(description="BLAKE3 of its bytes; of a folder `folder:` and that of its listing.")


class SourceFileEntry(FileDigest):
    """A file of the user's that steps read."""

    spec: str = Field("", description="Field of the spec that names it.")


class SpecSection(Section):
    """The spec, and with which options it was read."""

    file: str = Field(description="The spec, relative to build.json.")
    digest: str = Field(description="BLAKE3 of its text.")
    files: tuple[FileDigest, ...] = Field((), description="Included files and templates, in the order of reading.")
    overrides: tuple[str, ...] = Field((), description="`path=value` of `--set`.")
    variables: FileDigest | None = Field(None, description="File of template variables of `--vars`.")
    variant: str | None = Field(None, description="Chosen variant.")
    profile: str | None = Field(None, description="Profile of `--profile`.")
    report: bool = Field(True, description="False with `--no-report`: without the steps that only the page shows.")
    allow_paths: tuple[str, ...] = Field((), description="Folders of `--allow-path`, relative to build.json.")


class ModelEntry(Section):
    """Pretrained weights that steps read."""

    role: str = Field(description="What they are used as, as under `models:` in a spec.")
    repository: str | None = Field(description="Repository of the hub; null for a folder of the user's.")
    revision: str = Field(description="Commit of the repository; empty for a folder.")
    folder: str | None = Field(None, description="The user's folder, relative to build.json.")
    digest: str | None = Field(None, description="Of all of a user's folder; null for a repository.")
    files: dict[str, str] = Field(
        {}, description="SHA-256 by weight file of a repository, as the hub's cache names it."
    )
    licence: str = Field(description="Licence of the weights, as one line.")
    commercial_use: bool | None = Field(description="Whether everybody may use them commercially; null: not known.")


class StageEntry(Section):
    """Code that steps ran."""

    version: int = Field(description="Of the stage.")
    code: str = Field(description="Digest of the stage's and backend's code and of all that they import.")
    backend: str | None = Field(description="What the stage was done with; null where it needs nothing.")
    backend_version: int | None = Field(description="Of the backend.")
    tools: dict[str, str] = Field(description="Version by package that the code uses; part of each key.")


class InputEntry(Section):
    """Something that a step read."""

    source: str = Field(description="`step.output`, a slice of one, or the name of a user's file.")
    digest: str = Field(description="Of its content.")


class OutputEntry(Section):
    """What a step made."""

    digest: str = Field(description="Of its content.")
    files: int = Field(description="How many files it has.")
    bytes: int = Field(description="Of all files.")
    volatile: bool = Field(False, description="True where equal runs may give other bytes (a .blend).")


class StepEntry(Section):
    """One step."""

    stage: str = Field(description="Which of `stages` it ran.")
    key: str = Field(description="Digest of everything that its result depends on.")
    base: str = Field(description="Digest of the key without the inputs.")
    determinism: Literal["exact", "seeded"] = Field(
        description="exact: equal inputs give equal bytes; seeded: equal on the same device as a rule."
    )
    seed: int | None = Field(None, description="Of its random numbers, where it has any.")
    models: tuple[str, ...] = Field((), description="Roles of the weights it read.")
    seconds: float = Field(description="How long it took when it ran.")
    reused: bool = Field(description="Whether this build took its result from the store.")
    inputs: dict[str, InputEntry | tuple[InputEntry, ...] | None] = Field(description="What it read, by field.")
    outputs: dict[str, OutputEntry] = Field(description="What it made, by name.")
    params: Any = Field(description="Its parameters: type-tagged JSON, as in the key.")


class DeliveredEntry(Section):
    """A delivered file."""

    path: str = Field(description="Relative to build.json.")
    digest: str = Field(description="BLAKE3 of its bytes.")
    step: str = Field(description="The step that made it.")
    volatile: bool = Field(False, description="True where equal builds may give other bytes (a .blend).")


class Manifest(Section):
    """What a result was made from and with, and what it is."""

    format: Literal[1] = Field(description="Of this file.")
    scene: str = Field(description="Name of the scene.")
    i2v3d: str = Field(description="Version of i2v3d.")
    built_at: str = Field(description="End of the build, UTC.")
    seconds: float = Field(description="Work of all steps, whenever they ran.")
    spec: SpecSection = Field(description="What it was built from.")
    sources: tuple[SourceFileEntry, ...] = Field(description="The user's files that steps read.")
    packages: dict[str, str] = Field(description="Installed versions, by distribution.")
    platform: dict[str, str] = Field(description="The machine, for people: never compared.")
    models: tuple[ModelEntry, ...] = Field(description="Pretrained weights.")
    delivered: tuple[DeliveredEntry, ...] = Field(description="Every delivered file.")
    key_schema: int = Field(description="How keys are made.")
    stages: dict[str, StageEntry] = Field(description="Code that steps ran, by stage and backend.")
    steps: dict[str, StepEntry] = Field(description="Every step, each after those that it reads from.")
    code: dict[str, str] = Field(description="Digest of each module and template file, without comments and layout.")

    def write(self, path: Path) -> None:
        """Writes the file in one step.

        Raises:
            OSError: It can't be written.
        """
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.i2v3d")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(json_text(self.model_dump(mode="json", exclude_defaults=True)))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def read_manifest(path: Path) -> Manifest:
    """Returns what a build.json says.

    Raises:
        UsageError: It can't be read, or is none that this version knows.
    """
    hint = "`i2v3d build` writes it beside its results"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", hint=hint) from error
    except ValueError as error:  # not JSON, or not text
        raise UsageError(f"{path}: not a build.json: {error}", hint=hint) from error
    form = document.get("format") if isinstance(document, dict) else None
    if form != FORMAT:
        why = f"format {form}, this i2v3d reads {FORMAT}" if isinstance(form, int) else "it has no `format`"
        raise UsageError(f"{path}: not a build.json of this version: {why}", hint=hint)
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path}: not a build.json: {where}: {first['msg']}", hint=hint) from error


def json_text(document: Mapping[str, Any]) -> str:
    """Returns JSON for people: what fits in a line is on one line."""
    return _formatted(document, 0, 0) + "\n"


def schema_text() -> str:
    """Returns the schema of the file as deterministic text."""
    schema = Manifest.model_json_schema(mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "i2v3d build"
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _formatted(value: Any, depth: int, used: int) -> str:
    """Returns a value as JSON; `used`: columns that its key takes."""
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not isinstance(value, dict | list) or not value or depth + used + len(flat) <= _LINE_WIDTH:
        return flat
    inner, ends = " " * (depth + 1), "{}" if isinstance(value, dict) else "[]"
    if isinstance(value, dict):
        keys = {name: f"{json.dumps(name, ensure_ascii=False)}: " for name in value}
        rows = [f"{keys[name]}{_formatted(item, depth + 1, len(keys[name]))}" for name, item in value.items()]
    else:
        rows = [_formatted(item, depth + 1, 0) for item in value]
    return f"{ends[0]}\n" + ",\n".join(f"{inner}{row}" for row in rows) + f"\n{' ' * depth}{ends[1]}"


if __name__ == "__main__":
    (schemas_dir() / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
