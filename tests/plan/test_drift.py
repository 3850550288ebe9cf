"""A graph against the lock of an earlier build."""

from __future__ import annotations

from locked import build_locked

from i2v3d.plan.drift import drift_lines, find_drift
from i2v3d.plan.resolve import Resolver


def lines(toys, graph, lock, **options):
    drift = find_drift(graph, Resolver(graph, toys.store), lock, **options)
    return drift_lines(drift, lambda path: f"scene.yaml:1:1 {path}")


def test_an_unchanged_graph_has_not_drifted(toys, source):
    lock = build_locked(toys, toys.fan(source))
    assert lines(toys, toys.fan(source), lock) == ()


def test_nothing_but_the_lock_is_asked_so_an_empty_store_has_not_drifted(toys, source):
    lock = build_locked(toys, toys.fan(source))
    graph, empty = toys.fan(source), toys.fresh_store("empty")
    assert not find_drift(graph, Resolver(graph, empty), lock)
    empty.close()


def test_a_changed_parameter_is_named_with_its_place_and_what_follows_is_counted(toys, source):
    def graph(times):
        return toys.graph(toys.read("read", source), toys.join("a", "read", times=times), toys.join("b", "a"))

    lock = build_locked(toys, graph(1))
    assert lines(toys, graph(2), lock) == (
        "params.times 1 -> 2  [scene.yaml:1:1 steps.a.times]: a",
        "and 1 step that reads from these",
    )


def test_a_changed_source_is_named_once_where_it_is_read(toys, source):
    graph = toys.chain(source)
    lock = build_locked(toys, graph)
    source.write_text("other words")
    (first, follows) = lines(toys, graph, lock)
    assert first.startswith("input source (source.txt) changed (")
    assert first.endswith("[scene.yaml:1:1 read.source]: read")
    assert follows == "and 3 steps that read from these"


def test_changed_code_is_named_by_its_module_for_all_steps_at_once(toys, source):
    lock = build_locked(toys, toys.chain(source))
    toys.edit_code("join", "work.progress(0.5", "work.progress(0.4")
    (found,) = [line for line in lines(toys, toys.chain(source), lock) if "code" in line]
    assert found.startswith("code toystages.join changed (")
    assert found.endswith(": join[1], join[2], join[3]")


def test_another_version_of_a_package_is_named(toys, source):
    lock = build_locked(toys, toys.chain(source))
    stage = lock.stages["join"]
    older = stage.model_copy(update={"tools": {**stage.tools, "python": "3.10"}})
    lock = lock.model_copy(update={"stages": {**lock.stages, "join": older}})
    assert lines(toys, toys.chain(source), lock) == ("tool python 3.10 -> 3.11: join[1], join[2], join[3]",)


def test_another_version_of_a_stage_is_named(toys, source):
    lock = build_locked(toys, toys.chain(source))
    older = lock.stages["read"].model_copy(update={"version": 0})
    lock = lock.model_copy(update={"stages": {**lock.stages, "read": older}})
    assert "stage version 0 -> 1: read" in lines(toys, toys.chain(source), lock)


def test_new_and_gone_steps_are_named(toys, source):
    lock = build_locked(toys, toys.chain(source, 3))
    assert lines(toys, toys.chain(source, 4), lock) == ("not in the lock: join[3]",)
    lock = build_locked(toys, toys.chain(source, 4))
    assert lines(toys, toys.chain(source, 3), lock) == ("only in the lock: join[3]",)
    assert lines(toys, toys.chain(source, 3), lock, is_part=True) == ()


def test_another_wiring_is_named(toys, source):
    def graph(*reads):
        nodes = [toys.read("read", source), toys.join("a", "read"), toys.join("b", *reads)]
        return toys.graph(*nodes)

    lock = build_locked(toys, graph("a"))
    (found,) = lines(toys, graph("a", "read"), lock)
    assert found.startswith("input texts")
    assert found.endswith(": b")


def test_a_key_that_was_edited_in_the_file_is_noticed(toys, source):
    lock = build_locked(toys, toys.chain(source))
    edited = lock.steps["read"].model_copy(update={"key": "0" * 64})
    lock = lock.model_copy(update={"steps": {**lock.steps, "read": edited}})
    (found,) = [line for line in lines(toys, toys.chain(source), lock) if "read" in line.rpartition(": ")[2]][:1]
    assert "was it edited?" in found


def test_a_source_that_is_gone_is_a_difference_and_no_crash(toys, source):
    graph = toys.chain(source)
    lock = build_locked(toys, graph)
    source.unlink()
    (found, *_) = lines(toys, graph, lock)
    assert "source.txt: No such file" in found
    assert found.endswith(": read")
