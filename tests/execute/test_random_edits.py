"""Random edits: every incremental result is the clean one, byte for byte, and every plan was right."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from i2v3d.compile.graph import Deliverable, make_graph
from i2v3d.plan.make import make_plan
from i2v3d.stages.base import OutputRef

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


class Scene:
    """A small scene with a sequence and slices of it, and the edits a user may make."""

    def __init__(self, toys, folder: Path) -> None:
        self.toys = toys
        self.files = [folder / "a.txt", folder / "b.txt"]
        self.words = [list(WORDS), ["nine", "ten", "eleven"]]
        self.values = {"between": "", "times": 1, "weight": 1.0, "first": None, "current": 0}
        self.write()

    def write(self) -> None:
        for file, words in zip(self.files, self.words, strict=True):
            file.write_text(" ".join(words))

    def edit(self, rng: random.Random) -> str:
        kind = rng.choice(["word", "word", "last word", "between", "times", "weight", "first", "current", "nothing"])
        if kind in ("word", "last word"):
            words = rng.choice(self.words)
            words[-1 if kind == "last word" else rng.randrange(len(words))] = rng.choice(WORDS)
            self.write()
        elif kind != "nothing":
            choices = {
                "between": ["", "+", "1"],
                "times": [1, 2, 3],
                "weight": [1.0, 2.0],
                "first": [None, 500, 20],
                "current": [0, 1, True],
            }
            self.values[kind] = rng.choice(choices[kind])
        return kind

    def graph(self):
        toys, v = self.toys, self.values
        nodes = [toys.read("read", self.files[0], first=v["first"]), toys.read("other", self.files[1])]
        nodes += [toys.join("both", "read", "other", between=" "), toys.split("split", "both")]
        nodes += [toys.pair(f"pair[{i}]", "split", i, min(i + 2, 5), current=v["current"]) for i in range(5)]
        nodes += [toys.join("left", *(f"pair[{i}]" for i in range(3)), weight=v["weight"])]
        nodes += [toys.join("right", "pair[3]", "pair[4]", times=v["times"]), toys.join("twin", "other", label="t")]
        nodes += [
            toys.join("same", "other", label="t"),
            toys.join("end", "left", "right", "twin", between=v["between"]),
        ]
        items = [Deliverable("result.txt", OutputRef("end", "text")), Deliverable("words", OutputRef("split", "words"))]
        return make_graph("toy", nodes, toys.stages, items)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check_edits(toys, tmp_path: Path, seed: int, count: int) -> None:
    rng = random.Random(seed)
    scene = Scene(toys, tmp_path)
    for number in range(count):
        edit = scene.edit(rng)
        graph = scene.graph()
        plan = make_plan(graph, toys.store)
        toys.runs()
        result = toys.build(graph)
        executed = set(result.executed)
        assert executed.isdisjoint(plan.names("up_to_date")), (number, edit)
        assert executed.issuperset(plan.names("will_run")), (number, edit)
        assert sum(toys.runs().values()) == len(executed)
        assert make_plan(graph, toys.store).is_up_to_date
        clean_out = tmp_path / f"clean-out-{number}"
        toys.build_in(toys.fresh_store(f"clean-{number}"), graph, clean_out)
        assert tree(toys.out) == tree(clean_out), (number, edit)


def test_a_build_after_any_edit_equals_the_clean_build_and_the_plan_was_right(toys, tmp_path):
    check_edits(toys, tmp_path, seed=0, count=4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_build_after_any_of_many_edits_equals_the_clean_build(toys, tmp_path, seed):
    check_edits(toys, tmp_path, seed, count=20)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_two_hundred_plans_over_random_edits_are_never_wrong(toys, tmp_path, seed):
    rng = random.Random(100 + seed)
    scene = Scene(toys, tmp_path)
    for _ in range(40):
        scene.edit(rng)
        graph = scene.graph()
        plan = make_plan(graph, toys.store)
        executed = set(toys.build(graph).executed)
        assert executed.isdisjoint(plan.names("up_to_date"))
        assert executed.issuperset(plan.names("will_run"))
