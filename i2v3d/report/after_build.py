"""What a build from the command line or from Python leaves besides its deliverables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i2v3d.execute.finished import Finisher
    from i2v3d.spec import LoadedScene


def finishers(loaded: LoadedScene) -> tuple[Finisher, ...]:
    """Returns the writers of the files that lie beside a result, in the order in which they are called."""
    return ()
