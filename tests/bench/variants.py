"""Variants of a benchmark, one after another: one that fails or comes too late costs its row and no more."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch


class Variants:
    """Runs what is asked for and reports each row as it comes.

    Args:
        header: Printed first.
        line: A row as a line of the table.
        only: Names of the variants to run; None runs all.
        budget_s: Seconds since the start of the process after which no further variant begins; None has no limit.
        file: Written anew after each row, as JSON; None writes none.
    """

    def __init__(
        self,
        header: str,
        line: Callable[[Any], str],
        *,
        only: list[str] | None,
        budget_s: float | None,
        file: Path | None,
    ) -> None:
        self._header = header
        self._line = line
        self._only = only
        self._budget_s = budget_s
        self._file = file
        self._rows: list[Any] = []

    def run(self, name: str, measured: Callable[[], Any]) -> None:
        """One variant: `measured` returns its row, a dataclass."""
        if self._only and name not in self._only:
            return
        if self._budget_s is not None and time.perf_counter() - STARTED > self._budget_s:
            print(f"{name:<28} left out: over the budget", flush=True)
            return
        began = time.perf_counter()
        try:
            row = measured()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other variants go on
            traceback.print_exc()
            print(f"{name:<28} failed: {type(error).__name__}: {error}", flush=True)
            torch.cuda.empty_cache()
            return
        if not self._rows:
            print(self._header)
        self._rows.append(row)
        print(f"{self._line(row)}   in all {time.perf_counter() - began:.0f} s", flush=True)
        if self._file:
            self._file.write_text(json.dumps([asdict(row) for row in self._rows], indent=1))


class Timer:
    """Seconds of a `with` block, the GPU's work included."""

    def __enter__(self) -> Timer:
        torch.cuda.synchronize()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        torch.cuda.synchronize()
        self.seconds = time.perf_counter() - self._start


STARTED = time.perf_counter()
