"""Two builds of one thing, compared: what must be equal, what may differ, and within what."""

from __future__ import annotations

import numpy as np
import pytest
from locked import build_locked
from PIL import Image

from i2v3d.execute.rebuild import compare_builds, picture_distance_db


@pytest.fixture
def lock(toys, source):
    return build_locked(toys, toys.chain(source))


def with_steps(manifest, **changed):
    """Returns a manifest in which steps have other fields; an output's digest is given as `text`."""
    steps = dict(manifest.steps)
    for short, fields in changed.items():
        name = f"join[{short.removeprefix('join')}]"
        if text := fields.pop("text", ""):
            outputs = steps[name].outputs
            fields["outputs"] = {**outputs, "text": outputs["text"].model_copy(update={"digest": text})}
        steps[name] = steps[name].model_copy(update=fields)
    return manifest.model_copy(update={"steps": steps})


def reading(step, digest):
    (entry,) = step.inputs["texts"]
    return {"texts": (entry.model_copy(update={"digest": digest}),)}


def test_equal_builds_are_the_same(toys, lock):
    found = compare_builds(lock, toys.out, lock, toys.out)
    assert found.differences == ()
    assert found.same == (
        "4 of 4 steps gave the same bytes again",
        "1 of 1 delivered files are the same byte for byte",
    )


def test_an_exact_step_must_give_equal_bytes(toys, lock):
    again = with_steps(lock, join3={"text": "0" * 64})
    found = compare_builds(lock, toys.out, again, toys.out)
    assert found.differences == ("exact, but other bytes from equal inputs: join[3]",)


def test_other_bytes_of_other_code_are_told_as_that(toys, lock):
    again = with_steps(lock, join3={"text": "0" * 64, "key": "1" * 64})
    (found,) = compare_builds(lock, toys.out, again, toys.out).differences
    assert found == "made with other code, packages or parameters, and other bytes: join[3]"


def test_what_a_seeded_step_changes_is_only_said_where_it_is_no_picture(toys, lock):
    lock = with_steps(lock, join1={"determinism": "seeded"})
    delivered = (lock.delivered[0].model_copy(update={"digest": "2" * 64}),)
    again = with_steps(
        lock,
        join1={"text": "0" * 64},
        join2={"text": "1" * 64, "inputs": reading(lock.steps["join[2]"], "0" * 64)},
        join3={"text": "2" * 64, "inputs": reading(lock.steps["join[3]"], "1" * 64)},
    ).model_copy(update={"delivered": delivered})
    found = compare_builds(lock, toys.out, again, toys.out)
    assert found.differences == ()
    assert found.notes[0] == "seeded, and other bytes: join[1]"
    assert "result.txt: other bytes, after a seeded step" in found.notes


def test_a_delivered_file_that_is_not_made_any_more_is_a_difference(toys, lock):
    found = compare_builds(lock, toys.out, lock.model_copy(update={"delivered": ()}), toys.out)
    assert found.differences == ("result.txt: not made any more",)


@pytest.mark.parametrize(("shift", "is_same"), [(1, True), (40, False)])
def test_pictures_after_a_seeded_step_are_held_to_the_tolerance(toys, lock, tmp_path, shift, is_same):
    lock = with_steps(lock, join3={"determinism": "seeded"})
    entry = lock.delivered[0].model_copy(update={"path": "result.png"})
    lock = lock.model_copy(update={"delivered": (entry,)})
    again = with_steps(lock, join3={"text": "0" * 64}).model_copy(
        update={"delivered": (entry.model_copy(update={"digest": "0" * 64}),)}
    )
    grey = np.full((16, 16, 3), 100, np.uint8)
    (tmp_path / "again").mkdir()
    Image.fromarray(grey).save(toys.out / "result.png")
    Image.fromarray(grey + np.uint8(shift)).save(tmp_path / "again" / "result.png")
    found = compare_builds(lock, toys.out, again, tmp_path / "again")
    assert (found.differences == ()) is is_same
    (said,) = [line for line in (*found.differences, *found.notes) if line.startswith("result.png")]
    assert "40 dB count as the same" in said


def test_the_distance_of_pictures_is_their_psnr(tmp_path):
    grey = np.full((8, 8, 3), 100, np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(grey + np.uint8(5)).save(tmp_path / "b.png")
    Image.fromarray(grey[:4]).save(tmp_path / "c.png")
    assert picture_distance_db(tmp_path / "a.png", tmp_path / "b.png") == pytest.approx(20 * np.log10(255 / 5))
    assert picture_distance_db(tmp_path / "a.png", tmp_path / "a.png") == float("inf")
    assert picture_distance_db(tmp_path / "a.png", tmp_path / "c.png") is None
