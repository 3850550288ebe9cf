"""kill -9 at random moments: what was finished stays, what was not is made, no process is left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("toy_build.py")
SIZE = 150


def finished_steps(toys) -> set[str]:
    """Steps that some build said to have finished, from the event files (a last line may be cut off)."""
    finished = set()
    for journal in (toys.store.root / "builds").glob("*/*.jsonl"):
        for line in journal.read_text().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["event"] == "StepFinished":
                finished.add(event["step"])
    return finished


def processes_of(toys) -> list[str]:
    """Command lines of living processes that name the toy folder."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = cmdline.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(toys.folder) in text and cmdline.parent.name != str(os.getpid()):
            found.append(text)
    return found


def wait_for_runs(toys, began: subprocess.Popen[bytes], count: int) -> None:
    """Returns when so many steps have begun, so that slow machines kill at the same moments as fast ones."""
    while len((toys.folder / "runs.txt").read_text().split()) < count and began.poll() is None:
        time.sleep(0.001)


def no_process_is_left(toys) -> bool:
    deadline = time.monotonic() + 5
    while processes_of(toys) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not processes_of(toys)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_kill_9_at_random_moments_the_result_is_the_clean_one_and_nothing_is_repeated(toys, source, seed):
    rng = random.Random(seed)
    finished: set[str] = set()
    for moment in range(8):
        began = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(toys.folder), "long_chain", str(SIZE)], stdout=subprocess.DEVNULL
        )
        wait_for_runs(toys, began, 0 if moment == 3 else rng.randint(1, 15))
        time.sleep(rng.uniform(0, 0.01))
        began.send_signal(signal.SIGKILL)
        began.wait()
        assert no_process_is_left(toys)
        repeated = finished & set(toys.runs())
        assert not repeated
        finished |= finished_steps(toys)
    assert 20 < len(finished) < SIZE
    result = toys.build(toys.long_chain(source, SIZE))
    assert not finished & set(result.executed)
    assert not list((toys.store.root / "work").iterdir())
    other = toys.fresh_store("clean")
    clean = toys.build_in(other, toys.long_chain(source, SIZE), toys.folder / "clean_out")
    assert len(clean.executed) == SIZE
    assert (toys.folder / "clean_out" / "result.txt").read_text() == toys.text()


def test_a_killed_worker_is_one_failed_step_and_its_children_die_with_it(toys, source):
    toys.order(
        "join[1]",
        "import subprocess, sys; "
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', {str(toys.folder)!r}]); "
        "os.kill(os.getpid(), signal.SIGKILL)",
    )
    with pytest.raises(Exception, match=r"join\[1\]: its process was killed"):
        toys.build(toys.chain(source))
    assert no_process_is_left(toys)
    assert toys.build(toys.chain(source)).executed == ("join[1]", "join[2]", "join[3]")


def test_ctrl_c_ends_the_build_and_every_process_and_leaves_nothing_half_written(toys, source):
    toys.order("join[1]", "import time; (FOLDER / 'here').touch(); time.sleep(60)")
    began = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(toys.folder), "chain", "4"], stderr=subprocess.PIPE, text=True
    )
    while not (toys.folder / "here").exists():
        assert began.poll() is None
        time.sleep(0.01)
    began.send_signal(signal.SIGINT)
    _, printed = began.communicate(timeout=20)
    assert "KeyboardInterrupt" in printed
    assert no_process_is_left(toys)
    assert not list((toys.store.root / "work").iterdir())
    assert not toys.out.exists()
    assert toys.build(toys.chain(source)).executed == ("join[1]", "join[2]", "join[3]")
