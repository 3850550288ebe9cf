"""Text of errors and warnings: what is wrong, where, the line itself, and what would be right."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from i2v3d.errors import I2V3DError, Problem, SpecError, StageError, StepFailure

LOG_LINES = 12

Locate = Callable[[Problem], Problem]


def problem_text(problem: Problem) -> str:
    """Returns one problem in the form `file:line:column  path: what is wrong; what would be right`.

    The source line follows with a caret below the place, when both are known.
    """
    where = _shown_path(problem.file)
    if problem.line:
        where += f":{problem.line}:{problem.column}"
    what = f"{problem.path}: {problem.message}" if problem.path else problem.message
    hint = f"; {problem.hint}" if problem.hint else ""
    prefix = "warning: " if problem.severity == "warning" else ""
    text = f"{where}  {prefix}{what}{hint}" if where else f"{prefix}{what}{hint}"
    if not problem.excerpt:
        return text
    gutter = f"{problem.line:>5} | "
    caret = " " * (len(gutter) - 2) + "| " + " " * max(problem.column - 1, 0) + "^"
    return f"{text}\n{gutter}{problem.excerpt}\n{caret}"


def problems_text(problems: Iterable[Problem]) -> str:
    """Returns every problem, in the order of the file."""
    ordered = sorted(problems, key=lambda problem: (str(problem.file or ""), problem.line, problem.column))
    return "\n".join(problem_text(problem) for problem in ordered)


def error_text(error: I2V3DError, locate: Locate | None = None) -> str:
    """Returns what a user sees of an error: no traceback, but all that helps to mend it.

    Args:
        error: What went wrong.
        locate: Finds the place of a failed step's problem in the spec.
    """
    if isinstance(error, SpecError):
        return f"{problems_text(error.problems)}\n{count_text(len(error.problems), 'problem')}"
    lines = [f"error: {error.message}"]
    if isinstance(error, StageError) and error.failure is not None:
        return "\n".join(_failure_lines(error, error.failure, locate))
    if error.hint:
        lines.append(f"  {error.hint}")
    return "\n".join(lines)


def _failure_lines(error: StageError, failure: StepFailure, locate: Locate | None) -> Iterator[str]:
    message = error.message.removeprefix(f"{failure.step}: ")
    if locate is not None and failure.spec_path:
        yield problem_text(locate(Problem(failure.spec_path, message, error.hint)))
        yield f"  failed step: {failure.step}"
    else:
        yield f"error: step {failure.step} failed: {message}" + (f"; {error.hint}" if error.hint else "")
    yield from (f"  input {name}: {content}" for name, content in failure.inputs)
    if failure.work_dir is not None:
        yield f"  kept work directory: {_shown_path(failure.work_dir)}"
    if failure.log is not None:
        yield f"  log: {_shown_path(failure.log)}"
        if not failure.is_expected:
            yield from (f"    {line}" for line in _last_lines(failure.log))


def count_text(count: int, noun: str) -> str:
    """Returns `1 object`, `2 objects`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _shown_path(path: Path | None) -> str:
    """Returns the path relative to the working directory when it lies below it."""
    if path is None:
        return ""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _last_lines(log: Path) -> list[str]:
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
    except OSError:
        return []
