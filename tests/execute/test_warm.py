"""Builds that are cancelled, and workers that serve several builds, with the toy pipeline."""

import os
import threading
import time
from pathlib import Path

import pytest

from i2v3d.errors import UsageError
from i2v3d.execute.cancel import BuildCancelledError, Cancellation
from i2v3d.execute.warm import WarmWorkers
from i2v3d.execute.worker_pool import WorkerPool


@pytest.fixture
def warm():
    workers = WarmWorkers(WorkerPool(3))
    yield workers
    workers.pool.kill_all()


def say_pid(toys, label):
    toys.order(label, "(FOLDER / 'pids').open('a').write(f'{os.getpid()}\\n')")


def pids(toys):
    return [int(line) for line in (toys.folder / "pids").read_text().split()]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def cancelled_in_the_middle(toys, graph, **options):
    """Builds in a thread, cancels while a step sleeps, and returns what was raised."""
    cancellation, raised = Cancellation(), []

    def build():
        try:
            toys.build(graph, cancellation=cancellation, **options)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            raised.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    deadline = time.monotonic() + 30
    while not (toys.folder / "asleep").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    started = time.monotonic()
    cancellation.cancel()
    thread.join(30)
    assert time.monotonic() - started < 5
    return raised


SLEEP = "(FOLDER / 'pids').open('a').write(f'{os.getpid()}\\n'); (FOLDER / 'asleep').touch(); time.sleep(60)"


@pytest.mark.parametrize("is_warm", [False, True])
def test_a_cancelled_build_ends_its_running_step_and_the_next_one_goes_on_from_there(toys, source, warm, is_warm):
    options = {"warm": warm} if is_warm else {}
    toys.order("join[2]", SLEEP)
    graph = toys.chain(source)
    (error,) = cancelled_in_the_middle(toys, graph, **options)
    assert isinstance(error, BuildCancelledError)
    assert not is_alive(pids(toys)[0])
    assert not (toys.out / "result.txt").exists()
    assert not list((toys.store.root / "work").iterdir())
    toys.runs()
    result = toys.build(graph, **options)
    assert set(result.executed) == {"join[2]", "join[3]"}
    assert toys.runs() == {"join[2]": 1, "join[3]": 1}


def test_a_build_cancelled_before_it_begins_runs_nothing(toys, source):
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(BuildCancelledError):
        toys.build(toys.chain(source), cancellation=cancellation)
    assert not toys.runs()


def test_cancelling_a_build_that_is_done_changes_nothing(toys, source):
    cancellation = Cancellation()
    result = toys.build(toys.chain(source), cancellation=cancellation)
    cancellation.cancel()
    assert result.is_success
    assert len(toys.build(toys.chain(source)).reused) == 4


def test_a_worker_serves_one_build_after_another_and_ends_with_the_pool(toys, source, warm):
    say_pid(toys, "join[3]")
    toys.build(toys.chain(source), warm=warm)
    say_pid(toys, "join[3]")
    toys.build(toys.chain(source, times=2), warm=warm)
    first, second = pids(toys)
    assert first == second
    warm.pool.kill_all()
    assert not is_alive(first)


def test_a_worker_that_died_while_it_waited_is_replaced(toys, source, warm):
    say_pid(toys, "join[3]")
    toys.build(toys.chain(source), warm=warm)
    os.kill(pids(toys)[0], 9)
    time.sleep(0.1)
    say_pid(toys, "join[3]")
    assert toys.build(toys.chain(source, times=2), warm=warm).is_success
    assert len(set(pids(toys))) == 2


def test_warm_workers_refuse_code_that_was_edited_since_they_loaded_it(toys, source, warm):
    toys.build(toys.chain(source), warm=warm)
    toys.edit_code("join", "* params.times", "* params.times + '!'")
    with pytest.raises(UsageError, match=r"join\.py: the code of i2v3d or of a plug-in was edited"):
        toys.build(toys.chain(source, times=2), warm=warm)
    assert toys.build(toys.chain(source, times=2)).is_success


def test_workers_can_be_started_ahead(toys, source, warm):
    warm.pool.warm_up(2, ["toystages.join", "no.such.module"])
    say_pid(toys, "join[3]")
    toys.build(toys.chain(source), warm=warm)
    assert is_alive(pids(toys)[0])
