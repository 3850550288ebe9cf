"""Printed forms of a graph: text for a terminal, mermaid and dot for documents.

Nodes of one stage that differ only in a number (`render[0]` ... `render[60]`) are drawn as one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from i2v3d.compile.graph import StageGraph, references
from i2v3d.stages.base import Node, OutputRef, SourceFile

_NUMBERED = re.compile(r"^(?P<stage>[^\[]+)\[(?P<number>\d+(?:-\d+)?)\]$")


@dataclass(frozen=True)
class _Group:
    """Nodes drawn as one: `title` is what is printed, `names` the nodes in graph order."""

    title: str
    names: tuple[str, ...]


def printed_graph(graph: StageGraph, form: str) -> str:
    """Returns the graph as `text`, `mermaid` or `dot`."""
    return {"text": graph_text, "mermaid": graph_mermaid, "dot": graph_dot}[form](graph)


def graph_text(graph: StageGraph) -> str:
    """Returns the graph as text: a line per node or run of numbered nodes, with what it reads, then deliverables."""
    groups = _groups(graph)
    group_of = {name: group for group in groups for name in group.names}
    lines = [f"{graph.scene}: {_count(len(graph.nodes), 'step')}, {_count(len(_kinds(graph)), 'stage')}"]
    for group in groups:
        nodes = [graph.nodes[name] for name in group.names]
        backends = sorted({node.backend for node in nodes if node.backend})
        by = f"  by {', '.join(backends)}" if backends else ""
        times = f"  x{len(nodes)}" if len(nodes) > 1 else ""
        lines.append(f"  {group.title}{times}{by}")
        lines += [f"    {line}" for line in _inputs(nodes, group_of)]
    if graph.deliverables:
        lines.append("delivers")
        width = max(len(item.path) for item in graph.deliverables)
        lines += [f"  {item.path:<{width}}  {item.ref.node}.{item.ref.output}" for item in graph.deliverables]
    return "\n".join(lines) + "\n"


def graph_mermaid(graph: StageGraph) -> str:
    """Returns the graph as a mermaid flowchart, numbered nodes drawn as one."""
    groups = _groups(graph)
    ids = {group: f"n{index}" for index, group in enumerate(groups)}
    lines = ["flowchart TD"]
    for group in groups:
        label = group.title + (f" x{len(group.names)}" if len(group.names) > 1 else "")
        lines.append(f'  {ids[group]}["{_mermaid_text(label)}"]')
    lines += [
        f"  {ids[source]} -->|{_mermaid_text(', '.join(fields))}| {ids[target]}"
        for source, target, fields in _edges(graph, groups)
    ]
    for index, item in enumerate(graph.deliverables):
        (owner,) = (ids[group] for group in groups if item.ref.node in group.names)
        lines.append(f'  {owner} --> d{index}(["{_mermaid_text(item.path)}"])')
    return "\n".join(lines) + "\n"


def graph_dot(graph: StageGraph) -> str:
    """Returns the graph in Graphviz' language, numbered nodes drawn as one."""
    groups = _groups(graph)
    lines = ["digraph scene {", "  rankdir=TB; node [shape=box];"]
    for group in groups:
        label = group.title + (f" x{len(group.names)}" if len(group.names) > 1 else "")
        lines.append(f"  {json.dumps(group.title)} [label={json.dumps(label)}];")
    lines += [
        f"  {json.dumps(source.title)} -> {json.dumps(target.title)} [label={json.dumps(', '.join(fields))}];"
        for source, target, fields in _edges(graph, groups)
    ]
    for item in graph.deliverables:
        (owner,) = (group.title for group in groups if item.ref.node in group.names)
        lines.append(f"  {json.dumps(item.path)} [shape=oval];")
        lines.append(f"  {json.dumps(owner)} -> {json.dumps(item.path)};")
    return "\n".join([*lines, "}"]) + "\n"


def _groups(graph: StageGraph) -> tuple[_Group, ...]:
    names_of: dict[str, list[str]] = {}
    for name in graph.nodes:
        match = _NUMBERED.match(name)
        names_of.setdefault(match["stage"] + "[#]" if match else name, []).append(name)
    groups = []
    for title, names in names_of.items():
        if title.endswith("[#]") and len(names) > 1:
            first, last = (name[len(title) - 2 : -1] for name in (names[0], names[-1]))
            title = f"{title[:-3]}[{first} ... {last}]"
        groups.append(_Group(title if len(names) > 1 else names[0], tuple(names)))
    return tuple(groups)


def _inputs(nodes: list[Node], group_of: dict[str, _Group]) -> Iterable[str]:
    read: dict[str, dict[str, None]] = {}
    for node in nodes:
        for field, reference in references(node):
            read.setdefault(field, {})[_shown(reference, group_of, is_alone=len(nodes) == 1)] = None
    return [f"{field} <- {', '.join(sources)}" for field, sources in read.items()]


def _shown(reference: OutputRef | SourceFile, group_of: dict[str, _Group], *, is_alone: bool) -> str:
    if isinstance(reference, SourceFile):
        return f"file {reference.path.name}"
    text = f"{group_of[reference.node].title}.{reference.output}"
    if reference.start is None and reference.stop is None:
        return text
    if not is_alone:
        return f"{text}[slice]"
    return f"{text}[{reference.start or 0}:{'' if reference.stop is None else reference.stop}]"


def _edges(graph: StageGraph, groups: tuple[_Group, ...]) -> list[tuple[_Group, _Group, tuple[str, ...]]]:
    group_of = {name: group for group in groups for name in group.names}
    fields: dict[tuple[_Group, _Group], dict[str, None]] = {}
    for name, node in graph.nodes.items():
        for _, reference in references(node):
            if isinstance(reference, OutputRef):
                pair = (group_of[reference.node], group_of[name])
                fields.setdefault(pair, {})[reference.output] = None
    return [(source, target, tuple(names)) for (source, target), names in fields.items()]


def _kinds(graph: StageGraph) -> set[str]:
    return {node.stage for node in graph.nodes.values()}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _mermaid_text(text: str) -> str:
    return "".join(
        character if character.isalnum() or character in " ._-," else f"#{ord(character)};" for character in text
    )
