"""What passes between stages: typed files. An artifact is a path plus a promise about its content.

A stage writes an artifact below its work directory; the engine checks it, stores it by content and
hands the next stage a read-only copy. Artifact types say how to read and write, never where.
Writers are deterministic: equal values give equal bytes, with no dates, paths or host names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from i2v3d.errors import ArtifactError


@dataclass(frozen=True)
class Artifact:
    """A file or folder of a known type.

    Attributes:
        path: Where it is now; differs between the writing and each reading step.
        suffix: The file suffix of this type, such as `.png`; empty for a folder.
        is_volatile: True for a file whose bytes differ between equal runs (a .blend). Such an output
            may be delivered to the user but never be the input of a step, and is not part of any key.
    """

    path: Path

    suffix: ClassVar[str] = ""
    is_volatile: ClassVar[bool] = False

    def check(self) -> None:
        """Does nothing when the content is as promised.

        Raises:
            ArtifactError: The file is missing, or not what this type promises.
        """
        if self.suffix and not self.path.is_file():
            raise ArtifactError(f"{self.path.name}: no such file was written")
        if not self.suffix and not self.path.is_dir():
            raise ArtifactError(f"{self.path.name}: no such folder was written")


ItemT = TypeVar("ItemT", bound=Artifact)


@dataclass(frozen=True)
class Sequence(Artifact, Generic[ItemT]):
    """A folder of artifacts of one type, numbered from zero: `000000.png`, `000001.png`, ...

    A step may depend on a slice of it; the slice arrives renumbered from zero, so that the position
    in the clip never enters a key.
    """

    item_type: ClassVar[type[Artifact]] = Artifact

    def item_path(self, index: int) -> Path:
        """Returns where item `index` is or goes."""
        return self.path / f"{index:06d}{self.item_type.suffix}"

    def item(self, index: int) -> ItemT:
        """Returns item `index`."""
        return self.item_type(self.item_path(index))  # type: ignore[return-value]  # the class knows its item type

    def __len__(self) -> int:
        """How many items there are."""
        return sum(1 for _ in self.path.glob(f"[0-9]*{self.item_type.suffix}"))

    def __iter__(self) -> Iterator[ItemT]:
        """The items in order."""
        return (self.item(index) for index in range(len(self)))

    def check(self) -> None:
        """Checks that the folder holds an unbroken run of valid items."""
        super().check()
        if len(self) == 0:
            raise ArtifactError(f"{self.path.name}: an empty sequence was written")
        for item in self:
            item.check()
