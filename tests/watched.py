"""An `i2v3d watch` in a process of its own, heard through its page's events."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Watched:
    """A running watch; `states` are those that its page was told, each with the time at which it came."""

    def __init__(self, spec: Path, *options: object) -> None:
        self.log = spec.parent / "watch.log"
        command = [sys.executable, "-m", "i2v3d", "watch", str(spec), *map(str, options)]
        # The engine's workers must not see the tests' own folder as a place for modules.
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.states: list[tuple[float, dict[str, Any]]] = []
        self._came = threading.Condition()
        self.port = self._wait_for_port()
        threading.Thread(target=self._listen, daemon=True).start()

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def wait_for(
        self, is_wanted: Callable[[dict[str, Any]], bool], *, after: int = 0, timeout_s: float = 120.0
    ) -> tuple[float, dict[str, Any]]:
        """Returns the first state from number `after` of `states` on that is wanted, and when it came."""
        with self._came:
            found = self._came.wait_for(lambda: next(filter(_second(is_wanted), self.states[after:]), None), timeout_s)
        assert found is not None, f"it never came\n{self.text()}\n{self.states[-1:]}"
        return found

    def get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        content = connection.getresponse().read()
        connection.close()
        return content

    def end(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)

    def _wait_for_port(self) -> int:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/", self.text()):
                return int(found[1])
            time.sleep(0.02)
        raise AssertionError(f"the watch did not start\n{self.text()}")

    def _listen(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/events")
        response = connection.getresponse()
        while line := response.readline():
            if line.startswith(b"data: "):
                with self._came:
                    self.states.append((time.time(), json.loads(line[6:])))
                    self._came.notify_all()


@contextmanager
def watched(spec: Path, *options: object) -> Iterator[Watched]:
    """Yields a running watch and ends it."""
    one = Watched(spec, *options)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)


def save_by_renaming(file: Path, text: str) -> float:
    """Saves as most editors do; returns the clock time."""
    beside = file.with_name(f".{file.name}.swp")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)
    return time.time()


def _second(is_wanted: Callable[[dict[str, Any]], bool]) -> Callable[[tuple[float, dict[str, Any]]], bool]:
    return lambda pair: is_wanted(pair[1])
