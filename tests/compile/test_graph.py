from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from i2v3d.compile.graph import Deliverable, make_graph
from i2v3d.compile.printed import graph_dot, graph_mermaid, graph_text
from i2v3d.errors import GraphError, UsageError
from i2v3d.stages.base import Node, OutputRef, SourceFile


@pytest.fixture
def nodes(toys):
    source = Path("a.txt")
    pairs = [toys.pair(f"pair[{i}]", "split", i, i + 2) for i in range(3)]
    end = toys.join("end", *(pair.name for pair in pairs), "read")
    return [end, *pairs, toys.split("split", "read"), toys.read("read", source)]


def changed(nodes: list[Node], name: str, /, **fields: object) -> list[Node]:
    return [dataclasses.replace(node, **fields) if node.name == name else node for node in nodes]


def test_nodes_come_after_what_they_read_and_else_in_the_order_given(toys, nodes):
    graph = make_graph("toy", nodes, toys.stages)
    assert list(graph.nodes) == ["read", "split", "pair[0]", "pair[1]", "pair[2]", "end"]
    assert graph.producers("end") == ("pair[0]", "pair[1]", "pair[2]", "read")
    assert graph.readers("read") == ("split", "end")


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("end", {"stage": "jion"}, "end: no stage is called `jion`"),
        ("end", {"params": None}, "end: params are NoneType, stage join takes Params"),
        ("end", {"backend": "gl"}, "end: stage join takes no backend, got `gl`"),
        ("end", {"inputs": {}}, "end.texts: a required input is missing"),
        ("end", {"inputs": {"texts": (), "more": None}}, "end: stage join has no input `more`"),
        ("end", {"inputs": {"texts": OutputRef("read", "text")}}, "end.texts: takes a tuple of references"),
        ("split", {"inputs": {"text": (OutputRef("read", "text"),)}}, "split.text: takes one reference"),
        ("split", {"inputs": {"text": OutputRef("reed", "text")}}, "split.text: there is no node `reed`"),
        ("split", {"inputs": {"text": OutputRef("read", "txt")}}, "split.text: `read` has no output `txt`"),
        ("split", {"inputs": {"text": OutputRef("split", "words")}}, "split.text: takes Text, `split.words` is Texts"),
        ("split", {"inputs": {"text": OutputRef("read", "text", 0, 2)}}, "`read.text` is Text, which has no slices"),
        (
            "split",
            {"inputs": {"text": SourceFile(Path("a.txt"))}},
            "split.text: takes Text from a stage, got the file a.txt",
        ),
        ("split", {"inputs": {"text": OutputRef("end", "scrap")}}, "`end.scrap` differs between equal runs"),
        ("read", {"inputs": {"source": OutputRef("split", "words")}}, "read.source: takes a user's file"),
        ("pair[1]", {"inputs": {"words": OutputRef("split", "words", 2, 2)}}, "pair[1].words: [2:2] is an empty slice"),
        ("pair[1]", {"name": "end"}, "two nodes are called end"),
        ("split", {"inputs": {"text": OutputRef("end", "text")}}, "these nodes wait for each other: "),
    ],
)
def test_nodes_that_do_not_fit_are_named(toys, nodes, name, fields, message):
    with pytest.raises(GraphError) as raised:
        make_graph("toy", changed(nodes, name, **fields), toys.stages)
    assert message in raised.value.message


def test_one_item_of_a_sequence_may_feed_an_input_of_the_items_type(toys, nodes):
    item = changed(nodes, "end", inputs={"texts": (OutputRef("split", "words", 1, 2),)})
    make_graph("toy", item, toys.stages)
    two = changed(nodes, "end", inputs={"texts": (OutputRef("split", "words", 1, 3),)})
    with pytest.raises(GraphError, match=r"takes Text, `split.words` is Texts"):
        make_graph("toy", two, toys.stages)


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "", "a/./b", "a\\b"])
def test_deliverables_stay_in_the_output_folder(toys, nodes, path):
    with pytest.raises(GraphError, match="not a plain relative path"):
        make_graph("toy", nodes, toys.stages, [Deliverable(path, OutputRef("end", "text"))])


def test_deliverables_name_existing_outputs_once(toys, nodes):
    item = Deliverable("x", OutputRef("end", "text"))
    with pytest.raises(GraphError, match="deliverable `x`: given twice"):
        make_graph("toy", nodes, toys.stages, [item, item])
    with pytest.raises(GraphError, match="deliverable `x`: `end` has no output `video`"):
        make_graph("toy", nodes, toys.stages, [Deliverable("x", OutputRef("end", "video"))])


def test_a_selection_keeps_what_leads_to_it_and_delivers_only_that(toys, nodes):
    items = [Deliverable("x", OutputRef("end", "text")), Deliverable("words", OutputRef("split", "words"))]
    graph = make_graph("toy", nodes, toys.stages, items)
    until = graph.select(until=["pair[1]"])
    assert list(until.nodes) == ["read", "split", "pair[1]"]
    assert [item.path for item in until.deliverables] == ["words"]
    assert list(graph.select(until=["pair"]).nodes) == ["read", "split", "pair[0]", "pair[1]", "pair[2]"]
    assert graph.select(only=["pair"]).deliverables == ()
    assert graph.select() is graph
    with pytest.raises(UsageError, match="no step or stage is called `piar`") as raised:
        graph.select(until=["piar"])
    assert "pair" in raised.value.hint


def test_the_graph_as_text(toys, nodes):
    graph = make_graph("toy", nodes, toys.stages, [Deliverable("result.txt", OutputRef("end", "text"))])
    assert graph_text(graph) == (
        "toy: 6 steps, 4 stages\n"
        "  read\n"
        "    source <- file a.txt\n"
        "  split\n"
        "    text <- read.text\n"
        "  pair[0 ... 2]  x3\n"
        "    words <- split.words[slice]\n"
        "  end\n"
        "    texts <- pair[0 ... 2].text, read.text\n"
        "delivers\n"
        "  result.txt  end.text\n"
    )


def test_the_graph_as_mermaid_and_dot(toys, nodes):
    graph = make_graph("toy", nodes, toys.stages, [Deliverable("result.txt", OutputRef("end", "text"))])
    assert graph_mermaid(graph) == (
        "flowchart TD\n"
        '  n0["read"]\n'
        '  n1["split"]\n'
        '  n2["pair#91;0 ... 2#93; x3"]\n'
        '  n3["end"]\n'
        "  n0 -->|text| n1\n"
        "  n1 -->|words| n2\n"
        "  n2 -->|text| n3\n"
        "  n0 -->|text| n3\n"
        '  n3 --> d0(["result.txt"])\n'
    )
    assert graph_dot(graph) == (
        "digraph scene {\n"
        "  rankdir=TB; node [shape=box];\n"
        '  "read" [label="read"];\n'
        '  "split" [label="split"];\n'
        '  "pair[0 ... 2]" [label="pair[0 ... 2] x3"];\n'
        '  "end" [label="end"];\n'
        '  "read" -> "split" [label="text"];\n'
        '  "split" -> "pair[0 ... 2]" [label="words"];\n'
        '  "pair[0 ... 2]" -> "end" [label="text"];\n'
        '  "read" -> "end" [label="text"];\n'
        '  "result.txt" [shape=oval];\n'
        '  "end" -> "result.txt";\n'
        "}\n"
    )


def test_a_name_can_not_break_out_of_the_printed_forms(toys):
    name = 'x"]; import os #'
    graph = make_graph("toy", [toys.read(name, Path("a.txt"))], toys.stages)
    assert '"x\\"]; import os #"' in graph_dot(graph)
    assert '["x#34;#93;#59; import os #35;"]' in graph_mermaid(graph)
