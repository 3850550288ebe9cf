"""What a build from the command line or from Python leaves besides its deliverables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i2v3d.execute.finished import Finisher
    from i2v3d.spec import LoadedScene


def finishers(loaded: LoadedScene, *, with_report: bool = True) -> tuple[Finisher, ...]:
    """Returns the writers of the files that lie beside a result, in the order in which they are called.

    Args:
        loaded: The scene that is built.
        with_report: The last of them writes the report page, which links to what the others wrote.
    """
    from i2v3d.report.page import write_report

    return (lambda finished: write_report(finished, loaded),) if with_report else ()
