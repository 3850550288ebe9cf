import dataclasses

import numpy as np
import pytest

from i2v3d.artifacts.images import Image, Matte
from i2v3d.artifacts.scene import JsonFile
from i2v3d.backends.embedded.render_gl import GlRenderer
from i2v3d.geometry.frames import Resolution
from i2v3d.stages import check
from tests import hand_made_scene as hand


@dataclasses.dataclass(frozen=True)
class NotedWork(hand.Work):
    said: list[str] = dataclasses.field(default_factory=list)

    def warn(self, message: str) -> None:
        self.said.append(message)


def checked(folder, made, *, is_loop=False):
    cache = hand.cached(folder / "cache", made)
    work = NotedWork(folder / "work", {"findings": JsonFile, "picture": Image})
    work.path.mkdir()
    return cache, work, check.Params(hand.SIZE, (0, made.output.frame_count - 1), is_loop, (), ())


def run(cache, work, params, folder):
    inputs = check.Inputs(cache.static, cache.states, hand.write_layout(folder / "layout.json"))
    return check.run(inputs, params, GlRenderer(), work)


def test_a_sound_scene_has_no_findings_and_a_picture_all_the_same(tmp_path):
    cache, work, params = checked(tmp_path, hand.scene(4, is_still=True), is_loop=True)
    outputs = run(cache, work, params, tmp_path)
    document = outputs.findings.read_json()
    assert (document["findings"], work.said) == ([], [])
    assert document["most_unobserved"]["share"] < 0.02
    assert outputs.picture.read().shape == (180, 320, 3)


def test_made_up_pixels_above_the_limit_are_told_with_the_frame_and_shown_in_red(tmp_path):
    cache, work, params = checked(tmp_path, hand.scene(4, is_still=True))
    observed = Matte(cache.static.path / "meshes" / "1" / "observed.png")
    seen = observed.read().copy()
    seen[:, seen.shape[1] // 2 :] = 0
    observed.path.unlink()
    observed.write(seen)
    outputs = run(cache, work, params, tmp_path)
    assert any("was not in the photo" in line and "unobserved.png" in line for line in work.said), work.said
    picture = outputs.picture.read().astype(int)
    assert (picture[:, 200:, 0] - picture[:, 200:, 1]).mean() > 80
    assert outputs.findings.read_json()["findings"][-1]["kind"] == "unobserved"


def test_a_loop_that_is_not_closed_is_told(tmp_path):
    cache, work, params = checked(tmp_path, hand.scene(4), is_loop=True)
    run(cache, work, params, tmp_path)
    assert any("the loop is not closed" in line and "the camera" in line for line in work.said)


def test_two_runs_give_the_same_bytes(tmp_path):
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        cache, work, params = checked(tmp_path / name, hand.scene(4))
        made.append(run(cache, work, params, tmp_path / name))
    assert made[0].findings.path.read_bytes() == made[1].findings.path.read_bytes()
    assert made[0].picture.path.read_bytes() == made[1].picture.path.read_bytes()


def test_the_scene_is_looked_at_through_a_pinhole_whatever_the_lens(tmp_path):
    pictures = []
    for lens in ({}, {"depth_of_field": np.array([1.0, 0.5])}):
        folder = tmp_path / f"lens_{len(lens)}"
        folder.mkdir()
        cache, work, params = checked(folder, hand.scene(3))
        for state in cache.states:
            arrays = state.read_arrays()
            state.path.unlink()
            state.write_arrays({**arrays, **lens})
        pictures.append(run(cache, work, params, folder).picture.read())
    np.testing.assert_array_equal(*pictures)


def test_added_meshes_are_no_invention(tmp_path):
    cache, work, params = checked(tmp_path, hand.scene(2, is_still=True))
    observed = Matte(cache.static.path / "meshes" / "2" / "observed.png")
    nothing = np.zeros_like(observed.read())
    observed.path.unlink()
    observed.write(nothing)
    assert run(cache, work, params, tmp_path).findings.read_json()["most_unobserved"]["share"] < 0.02


@pytest.mark.parametrize(("backends", "chosen"), [({"render": "gl"}, "gl"), ({"render": "gl", "check": "c"}, "c")])
def test_the_scene_is_looked_at_by_the_backend_that_draws_it(backends, chosen):
    made = dataclasses.replace(hand.scene(), backends=backends)
    (node,) = check.nodes(made)
    assert node.backend == chosen
    assert node.params.size == Resolution(256, 144)
