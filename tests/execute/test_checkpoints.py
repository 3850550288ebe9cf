"""What a long step keeps for going on: it outlives a killed run, is seen by the same step only, and then goes."""

from __future__ import annotations

import pytest

from i2v3d.errors import StageError
from i2v3d.execute.determinism import check_determinism
from i2v3d.store.gc import clean_store

KEEP = "import sys; kept = sys._getframe(2).f_locals['work'].checkpoints; "
COUNT = KEEP + "print('found', sorted(path.name for path in kept.iterdir())); (kept / 'half').write_text('half'); "


def kept_files(toys) -> list[str]:
    return [path.name for path in (toys.store.root / "checkpoints").glob("*/*")]


def killed_build(toys, graph) -> None:
    with pytest.raises(StageError, match=r"join\[1\]: its process was killed"):
        toys.build(graph)


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "raise ValueError('no good')"])
def test_a_checkpoint_outlives_a_killed_and_a_failed_run_and_goes_with_the_success(toys, source, end):
    graph = toys.chain(source, 2)
    toys.order("join[1]", COUNT + end)
    with pytest.raises(StageError):
        toys.build(graph)
    assert kept_files(toys) == ["half"]
    toys.order("join[1]", KEEP + "(FOLDER / 'seen').write_text((kept / 'half').read_text())")
    toys.build(graph)
    assert (toys.folder / "seen").read_text() == "half"
    assert not list((toys.store.root / "checkpoints").iterdir())


def test_a_step_of_another_key_does_not_see_it_and_forcing_begins_anew(toys, source):
    see = KEEP + "(FOLDER / 'seen').write_text(str(len(list(kept.iterdir()))))"
    toys.order("join[1]", COUNT + "os.kill(os.getpid(), signal.SIGKILL)")
    killed_build(toys, toys.chain(source, 2))
    toys.order("join[1]", see)
    toys.build(toys.chain(source, 2, times=2))
    assert (toys.folder / "seen").read_text() == "0"
    assert kept_files(toys) == ["half"]
    toys.order("join[1]", see)
    toys.build(toys.chain(source, 2), force=("join",))
    assert (toys.folder / "seen").read_text() == "0"


def test_a_step_that_asks_for_none_leaves_none_and_cleaning_takes_the_rest(toys, source):
    toys.order("join[1]", "os.kill(os.getpid(), signal.SIGKILL)")
    killed_build(toys, toys.chain(source, 2))
    assert not list((toys.store.root / "checkpoints").iterdir())
    toys.order("join[1]", COUNT + "os.kill(os.getpid(), signal.SIGKILL)")
    killed_build(toys, toys.chain(source, 2))
    assert kept_files(toys) == ["half"]
    clean_store(toys.store, 10**9)
    assert not list((toys.store.root / "checkpoints").iterdir())


def test_a_run_for_comparison_neither_sees_nor_leaves_a_checkpoint(toys, source):
    graph = toys.chain(source, 2)
    toys.build(graph)
    toys.order("join[1]", COUNT)
    assert all(comparison.is_equal for comparison in check_determinism(graph, toys.store, ("join",)))
    assert not kept_files(toys)
