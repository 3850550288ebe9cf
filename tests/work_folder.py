"""A plain `WorkDir` for calling a stage's `run` without the engine."""

import typing
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class WorkFolder:
    path: Path
    outputs: type
    said: list[str] = field(default_factory=list)

    @property
    def checkpoints(self) -> Path:
        folder = self.path / "checkpoints"
        folder.mkdir(exist_ok=True)
        return folder

    def output(self, name: str) -> Path:
        return self.path / (name + typing.get_type_hints(self.outputs)[name].suffix)

    def progress(self, share: float, message: str = "") -> None:
        assert 0 <= share <= 1

    def warn(self, message: str, *, field: str = "") -> None:
        assert message
        self.said.append(message)
