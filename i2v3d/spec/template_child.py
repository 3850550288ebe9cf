"""Renders one jinja2 template in a process of its own; run as a script by `template.py`, never imported.

A template is untrusted: it runs in jinja2's sandbox, without a loader, under limits of time and
memory. Private-use characters carry the template's line and column of each piece of text through
rendering. Input and output are one JSON object each on standard input and output.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import sys
import traceback
from types import FrameType
from typing import Any

import jinja2
import jinja2.meta
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

OPEN, CLOSE = "\ue000", "\ue001"
MAX_OUTPUT = 1_000_000
MAX_SECONDS = 1.0
MAX_MEMORY = 500_000_000
_MARK = re.compile(f"{OPEN}([0-9]+):([0-9]+):([01]){CLOSE}")
_NAME = "scene template"


class TooLongError(Exception):
    """The time for rendering is over."""


def mark_template(text: str) -> str:
    """Returns the template with a mark `line:column:is_expression` before each piece of text and expression."""
    tokens = list(jinja2.Environment(keep_trailing_newline=True).lex(text))
    out: list[str] = []
    cursor, is_line_start = 0, True
    for index, (_, kind, value) in enumerate(tokens):
        start = text.index(value, cursor)
        cursor = start + len(value)
        if kind == "data":
            following = tokens[index + 1][1] if index + 1 < len(tokens) else ""
            out.append(_marked_data(text, start, value, following, is_line_start=is_line_start))
        elif kind == "variable_begin":
            out.append(_mark(text, start, is_expression=True) + value)
        else:
            out.append(value)
        is_line_start = value.endswith("\n") or (is_line_start and kind != "data" and not kind.startswith("variable"))
    return "".join(out)


def _marked_data(text: str, start: int, data: str, following: str, *, is_line_start: bool) -> str:
    pieces = data.split("\n")
    out: list[str] = []
    for row, piece in enumerate(pieces):
        is_last = row == len(pieces) - 1
        # A line of nothing but a tag must stay so, or trim_blocks and lstrip_blocks would keep it.
        opens_tag = is_last and following in ("block_begin", "comment_begin", "raw_begin")
        if piece.strip() or (piece and is_last and not opens_tag) or (piece and row == 0 and not is_line_start):
            out.append(_mark(text, start, is_expression=False))
        out.append(piece if is_last else piece + "\n")
        start += len(piece) + 1
    return "".join(out)


def _mark(text: str, start: int, *, is_expression: bool) -> str:
    line = text.count("\n", 0, start) + 1
    column = start - (text.rfind("\n", 0, start) + 1) + 1
    return f"{OPEN}{line}:{column}:{int(is_expression)}{CLOSE}"


def read_marks(marked: str) -> tuple[str, list[list[tuple[int, int, int, bool]]]]:
    """Returns the text without marks and, by line, (rendered column, template line, column, is_expression)."""
    lines: list[str] = []
    rows: list[list[tuple[int, int, int, bool]]] = []
    carried = (0, 1, 1, True)
    for line in marked.split("\n"):
        clean, row, end = "", [], 0
        for match in _MARK.finditer(line):
            clean += line[end : match.start()]
            end = match.end()
            row.append((len(clean), int(match[1]), int(match[2]), match[3] == "1"))
        clean += line[end:]
        if not row or row[0][0] > 0:
            row.insert(0, (0, carried[1], carried[2], True))
        carried = row[-1]
        lines.append(clean)
        rows.append(row)
    return "\n".join(lines), rows


def render(text: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Returns {text, rows, used}, or {error, hint, line}."""
    text = re.sub(r"\r\n|\r", "\n", text)
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        optimized=False,  # constants folded at compile time would fail without a line
    )
    try:
        used = sorted(jinja2.meta.find_undeclared_variables(environment.parse(text, filename=_NAME)))
        plain = _run(environment, text, variables)
        clean, rows = read_marks(_run(environment, mark_template(text), variables))
    except jinja2.TemplateSyntaxError as error:
        return {"error": f"not a template: {(error.message or '').rstrip('.')}", "hint": "", "line": error.lineno}
    except Exception as error:  # noqa: BLE001  # a template may raise anything; its user gets the line
        return _explain(error, variables)
    if clean != plain:
        # Some filter saw the marks (trim, length ...): the text must be right, lines may be near only.
        rows = (rows + [rows[-1]] * plain.count("\n"))[: plain.count("\n") + 1]
        clean = plain
    return {"text": clean, "rows": rows, "used": used}


def _run(environment: ImmutableSandboxedEnvironment, text: str, variables: dict[str, Any]) -> str:
    code = environment.compile(text, filename=_NAME)
    template = jinja2.Template.from_code(environment, code, environment.make_globals(None))
    pieces, size = [], 0
    for piece in template.generate(**variables):
        size += len(piece)
        if size > MAX_OUTPUT * 4:
            raise OverflowError("output")
        pieces.append(piece)
    return "".join(pieces)


def _explain(error: Exception, variables: dict[str, Any]) -> dict[str, Any]:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _NAME]
    line = frames[-1].lineno if frames and frames[-1].lineno else 1
    message, hint = str(error).rstrip("."), ""
    if isinstance(error, TooLongError):
        message = f"the template was still running after {MAX_SECONDS:g} s"
        hint = "does a loop ever end?"
    elif isinstance(error, SecurityError):
        message, hint = f"not allowed in a template: {message}", "use variables, loops and filters only"
    elif isinstance(error, jinja2.UndefinedError):
        known = ", ".join(sorted(variables))
        hint = f"given are: {known}" if known else "give it with `--vars`, or write `{% set name = value %}`"
    elif isinstance(error, MemoryError):
        message, hint = "the template needs too much memory", "does a loop ever end?"
    elif isinstance(error, RecursionError):
        message, hint = "the template calls itself without end", ""
    elif isinstance(error, OverflowError):
        message = "the template makes too much text or too long a range"
        hint = f"at most {MAX_OUTPUT:,} characters, ranges of 100,000"
    elif "no loader" in message:
        message, hint = "a template can't load another one", "use `include:` of the spec"
    return {"error": message, "hint": hint, "line": line}


def _time_is_over(signal_number: int, frame: FrameType | None) -> None:
    raise TooLongError


def main() -> None:
    """Reads the request, renders under limits, writes the answer."""
    request = json.loads(sys.stdin.buffer.read())
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    # The alarm interrupts Python and so knows the line; the limit ends what never returns to Python.
    resource.setrlimit(resource.RLIMIT_CPU, (int(MAX_SECONDS) + 2, int(MAX_SECONDS) + 3))
    signal.signal(signal.SIGPROF, _time_is_over)
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    try:
        answer = render(request["text"], request["variables"])
        signal.setitimer(signal.ITIMER_PROF, 0)
    except TooLongError as error:  # it came while another error was being explained
        answer = _explain(error, request["variables"])
    sys.stdout.buffer.write(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
