"""Several graphs as one, and one graph held against another."""

from i2v3d.execute.build import BuildOptions, build
from i2v3d.plan.difference import compare_steps
from i2v3d.plan.lineage import lineages
from i2v3d.plan.merge import merge_graphs


def states(difference):
    return {step.name: step.state for step in difference.steps}


def test_lineage_is_of_content_and_params_not_of_names(toys, source):
    a = toys.graph(toys.read("read", source), toys.join("a", "read", label="x"))
    b = toys.graph(toys.read("read", source), toys.join("b", "read", label="x"))
    assert lineages(a, toys.store)["a"] == lineages(b, toys.store)["b"]
    copy = source.with_name("copy.txt")
    copy.write_bytes(source.read_bytes())
    c = toys.graph(toys.read("read", copy), toys.join("a", "read", label="x"))
    assert lineages(a, toys.store)["a"] == lineages(c, toys.store)["a"]
    copy.write_text("other words")
    assert lineages(a, toys.store)["a"] != lineages(c, toys.store)["a"]


def test_lineage_differs_by_the_slice_that_is_read(toys, source):
    graph = toys.graph(
        toys.read("read", source),
        toys.split("split", "read"),
        toys.pair("p0", "split", 0, 2),
        toys.pair("p1", "split", 1, 3),
    )
    found = lineages(graph, toys.store)
    assert found["p0"] != found["p1"]


def test_members_share_what_follows_from_the_same_and_run_it_once(toys, source):
    graphs = {name: toys.chain(source, 4, times=times) for name, times in (("a", 1), ("b", 2), ("c", 3))}
    merged = merge_graphs("toy-matrix", graphs, toys.store)
    assert set(merged.graph.nodes) == {"read", "join[1]", "join[2]", "a/join[3]", "b/join[3]", "c/join[3]"}
    assert merged.users["join[2]"] == ("a", "b", "c")
    assert merged.users["b/join[3]"] == ("b",)
    result = build(merged.graph, toys.store, BuildOptions(jobs=2))
    assert result.is_success
    assert toys.runs() == {"read": 1, "join[1]": 1, "join[2]": 1, "join[3]": 3}
    for name, graph in graphs.items():  # each by itself now finds everything done
        assert toys.build(graph, out_dir=toys.out / name).executed == ()
    texts = [(toys.out / name / "result.txt").read_text() for name in graphs]
    assert texts == [texts[0] * times for times in (1, 2, 3)]


def test_what_some_members_share_is_named_after_the_first(toys, source):
    graphs = {
        "a": toys.graph(toys.read("read", source), toys.join("x", "read", times=1)),
        "b": toys.graph(toys.read("read", source), toys.join("x", "read", times=2)),
        "c": toys.graph(toys.read("read", source), toys.join("x", "read", times=2)),
    }
    merged = merge_graphs("m", graphs, toys.store)
    assert set(merged.graph.nodes) == {"read", "a/x", "b/x"}
    assert merged.steps["c"] == {"read": "read", "x": "b/x"}
    assert merged.alike == (("b", "c"),)


def test_steps_that_find_equal_inputs_are_done_once_though_their_lineage_differs(toys, source):
    source.write_text("abcdef")
    graphs = {
        name: toys.graph(toys.read("read", source, first=first), toys.join("x", "read"))
        for name, first in (("a", 6), ("b", None))
    }
    merged = merge_graphs("m", graphs, toys.store)
    assert len(merged.graph.nodes) == 4
    build(merged.graph, toys.store, BuildOptions(jobs=1))
    assert toys.runs()["x"] == 1


def test_a_failing_member_leaves_the_others_to_go_on(toys, source):
    graphs = {name: toys.chain(source, 3, label=name) for name in ("a", "b")}
    merged = merge_graphs("m", graphs, toys.store)
    toys.order("a", "raise ValueError('no')")
    result = build(merged.graph, toys.store, BuildOptions(jobs=1, keep_going=True, retries=0))
    assert set(result.failures) == {"a/join[2]"}
    assert "b/join[2]" in result.executed


def test_the_same_graph_costs_nothing(toys, source):
    found = compare_steps(toys.chain(source), toys.chain(source), toys.store)
    assert found.is_same
    assert set(states(found).values()) == {"shared"}


def test_a_new_param_costs_its_step_for_certain_and_those_below_it_at_most(toys, source):
    def graph(times):
        return toys.graph(toys.read("read", source), toys.join("x", "read", times=times), toys.join("y", "x"))

    found = compare_steps(graph(1), graph(2), toys.store)
    assert states(found) == {"read": "shared", "x": "differs", "y": "may_differ"}
    assert found.gone == ("x", "y")
    assert not found.is_same


def test_what_the_store_knows_makes_the_answer_exact(toys, source):
    source.write_text("abcdef")

    def graph(first):
        return toys.graph(toys.read("read", source, first=first), toys.join("x", "read"), toys.join("y", "x"))

    for first in (None, 6, 3):
        toys.build(graph(first))
    same_text = compare_steps(graph(None), graph(6), toys.store)
    assert states(same_text) == {"read": "differs", "x": "shared", "y": "shared"}
    other_text = compare_steps(graph(None), graph(3), toys.store)
    assert states(other_text) == {"read": "differs", "x": "differs", "y": "differs"}
    assert all(step.is_stored for step in other_text.steps)


def test_reads_that_do_not_change_leave_a_step_as_it_was(toys, source):
    source.write_text("a b c d e f")
    edited = source.with_name("edited.txt")
    edited.write_text("a b c d e X")
    old, new = toys.fan(source), toys.fan(edited)
    found = compare_steps(old, new, toys.store, lambda ref: ref.output == "words" and (ref.stop or 99) <= 5)
    pairs = {name: state for name, state in states(found).items() if name.startswith("pair")}
    assert pairs == {f"pair[{i}]": "same" if i < 4 else "may_differ" for i in range(6)}
    for graph in (old, new):
        toys.build(graph)
    exact = compare_steps(old, new, toys.store)
    assert [name for name, state in states(exact).items() if name.startswith("pair") and state != "shared"] == [
        "pair[4]",
        "pair[5]",
    ]
