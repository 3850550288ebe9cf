"""Highlights a spec's text, line by line: a tokenizer for what specs are written in; anything else stays plain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<comment>(?:^|(?<=\s))\#.*$)
  | (?P<template>\{%.*?%\}|\{\{.*?\}\}|\{\#.*?\#\}|\$\{[^}]*\})
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')
  | (?P<key>[^\s\[\]{},:"'\#&*!|>%@`-][^\[\]{},:"'\#]*?(?=\s*:(?:\s|$)))
  | (?P<anchor>[&*!][\w./<-]+)
  | (?P<mark>[\[\]{},]|:(?=\s|$)|-(?=\s)|[|>][-+]?(?=\s*$))
  | (?P<scalar>[^\s\[\]{},:"'\#](?:[^\s\[\]{},:\#]|:(?!\s|$)|(?<!\s)\#|[ ]+(?![\s\#]|$))*)
  | (?P<plain>\s+|.)
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?:%|[a-z]{1,3})?")
_WORD = re.compile(r"true|false|null|yes|no|on|off|~")
_BLOCK = re.compile(r"(?:^|\s)[|>][-+]?\d?\s*(?:#.*)?$")


@dataclass(frozen=True)
class Token:
    """A piece of a line. kind: a group of `_TOKEN`, `number` or `word`; `plain` is not coloured."""

    kind: str
    text: str


def highlighted(text: str) -> list[list[Token]]:
    """Returns the tokens of each line; joined they are the line."""
    lines = []
    block_indent: int | None = None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if block_indent is not None and (not line.strip() or indent > block_indent):
            lines.append([Token("string", line)] if line else [])
            continue
        block_indent = indent if _BLOCK.search(line) else None
        lines.append(list(_joined(line)))
    return lines


def _joined(line: str) -> Iterator[Token]:
    """Yields the tokens of a line, plain ones that touch as one."""
    plain = ""
    for match in _TOKEN.finditer(line):
        kind = _kind_of(match)
        if kind == "plain":
            plain += match.group()
            continue
        if plain:
            yield Token("plain", plain)
            plain = ""
        yield Token(kind, match.group())
    if plain:
        yield Token("plain", plain)


def _kind_of(match: re.Match[str]) -> str:
    if match.lastgroup == "scalar":
        if _NUMBER.fullmatch(match.group()):
            return "number"
        return "word" if _WORD.fullmatch(match.group()) else "plain"
    return match.lastgroup or "plain"
