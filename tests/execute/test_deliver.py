from __future__ import annotations

import pytest

from i2v3d.compile.graph import Deliverable, make_graph
from i2v3d.errors import GraphError
from i2v3d.stages.base import OutputRef


def words_graph(toys, source, *more):
    nodes = [toys.read("read", source), toys.split("split", "read"), toys.join("a", "read")]
    items = [Deliverable("words", OutputRef("split", "words")), *more]
    return make_graph("toy", nodes, toys.stages, items)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_several_outputs_may_be_delivered_into_one_folder(toys, source):
    source.write_text("one two")
    more = (
        Deliverable("words/all/joined.txt", OutputRef("a", "text")),
        Deliverable("last", OutputRef("split", "words", 1, 2)),
    )
    toys.build(words_graph(toys, source, *more))
    assert names(toys.out) == ["last/000000.txt", "words/000000.txt", "words/000001.txt", "words/all/joined.txt"]
    assert (toys.out / "last" / "000000.txt").read_text() == "two"


def test_one_item_of_a_sequence_may_be_delivered_as_a_file(toys, source):
    source.write_text("one two")
    toys.build(words_graph(toys, source, Deliverable("last.txt", OutputRef("split", "words", 1, 2))))
    assert (toys.out / "last.txt").read_text() == "two"


def test_a_deliverable_that_the_scene_has_no_longer_goes_even_in_a_part_of_its_build(toys, source):
    source.write_text("one two")
    toys.build(words_graph(toys, source, Deliverable("one/2.txt", OutputRef("split", "words", 1, 2))))
    now = words_graph(toys, source, Deliverable("one/1.txt", OutputRef("split", "words", 0, 1)))
    toys.build(now.select(only=["a"]))
    assert names(toys.out) == ["words/000000.txt", "words/000001.txt"]
    toys.build(now.select(only=["split"]))
    assert names(toys.out) == ["one/1.txt", "words/000000.txt", "words/000001.txt"]


def test_two_different_files_at_one_place_are_refused(toys, source):
    with pytest.raises(GraphError, match=r"two deliverables put different files at words/000000.txt"):
        toys.build(words_graph(toys, source, Deliverable("words/000000.txt", OutputRef("a", "text"))))


def test_files_that_are_made_no_longer_are_removed_unless_the_user_changed_them(toys, source):
    source.write_text("one two three four")
    toys.build(words_graph(toys, source))
    mine = toys.out / "words" / "000003.txt"
    mine.unlink()
    mine.write_text("my own")
    source.write_text("one two")
    toys.build(words_graph(toys, source))
    assert names(toys.out) == ["words/000000.txt", "words/000001.txt", "words/000003.txt"]
    assert mine.read_text() == "my own"


def test_deleted_deliverables_come_back_without_running_anything(toys, source):
    toys.build(toys.chain(source))
    text = toys.text()
    (toys.out / "result.txt").unlink()
    assert toys.build(toys.chain(source)).executed == ()
    assert toys.text() == text


def test_an_unchanged_deliverable_is_left_alone(toys, source):
    toys.build(toys.chain(source))
    before = (toys.out / "result.txt").stat()
    toys.build(toys.chain(source))
    after = (toys.out / "result.txt").stat()
    assert (before.st_ino, before.st_ctime_ns) == (after.st_ino, after.st_ctime_ns)


def test_a_users_edit_of_a_deliverable_is_replaced_and_never_reaches_the_store(toys, source):
    graph = toys.chain(source)
    toys.build(graph)
    text = toys.text()
    (toys.out / "result.txt").unlink()
    (toys.out / "result.txt").write_text("edited by hand")
    assert toys.build(graph).executed == ()
    assert toys.text() == text


def test_delivered_files_take_no_second_space(toys, source):
    graph = toys.chain(source)
    toys.build(graph)
    assert (toys.out / "result.txt").stat().st_ino == toys.blob(graph, "join[3]").stat().st_ino
