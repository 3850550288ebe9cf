"""The page of a real build in a real browser: from a file, without a network."""

from __future__ import annotations

import io
import shutil
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from i2v3d.execute.project import ProjectOptions, open_project
from tests.report.page.conftest import EVIL, page_of

pytestmark = [pytest.mark.slow, pytest.mark.blender]

FRAME = "document.getElementById('frame')"
SHOWN = f"Number({FRAME}.dataset.frame)"
PIXELS = (
    "(() => {{ const c = {canvas};"
    " return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data); }})()"
)


def pixels_of(page, canvas=FRAME):
    """Returns uint8 (height, width, 4) of a canvas."""
    width, height = page.js(f"[{canvas}.width, {canvas}.height]")
    return np.array(page.js(PIXELS.format(canvas=canvas)), np.uint8).reshape(height, width, 4)


def unpacked(page, layer, index):
    """Returns uint8 (height, width, 3) of a frame as the page carries it, decoded here and not by the browser."""
    data = page.js(f"Packs.blob('{layer}', {index}).arrayBuffer().then((b) => Array.from(new Uint8Array(b)))")
    return np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGB"))


def go(page, frame):
    page.js(f"Clock.go({frame})")
    page.wait_for(f"{SHOWN} === {frame}")


def differs_by(first, second):
    return float(np.abs(first.astype(int) - second.astype(int)).mean())


def choose(page, side, layer):
    page.js(
        f"(() => {{ const s = document.getElementById('{side}'); s.value = '{layer}';"
        " s.dispatchEvent(new Event('change')); })()"
    )
    page.js("new Promise((done) => setTimeout(done, 150))")


@pytest.fixture
def page(open_page):
    one = open_page()
    one.wait_for(f"{SHOWN} === 0")
    return one


def test_it_opens_from_a_file_without_a_complaint_or_a_request(page, built):
    page.js("document.getElementById('view').scrollIntoView()")
    page.wait_for("document.getElementById('view').dataset.ready === 'true'")
    for layer in ("depth", "objects", "unobserved", "flow", "render", "result"):
        choose(page, "left", layer)
    go(page, 12)
    assert page.complaints == []
    assert page.requests == [built.page.as_uri()]


def test_names_and_prompts_are_text_whatever_they_hold(page):
    assert page.js("document.title") == "small \u2013 i2v3d report"
    assert page.js("document.querySelectorAll('img[src=x]').length") == 0
    assert EVIL in page.js("document.querySelector('.lead').textContent")
    assert EVIL in page.js("document.querySelector('.legend').textContent")


def test_every_frame_is_the_one_that_is_asked_for(page):
    choose(page, "left", "result")
    for frame in (0, 12, 5, 6, 7, 1):
        go(page, frame)
        page.wait_for(f"{SHOWN} === {frame}")
        shown = pixels_of(page)[..., :3]
        distances = [differs_by(shown, unpacked(page, "result", other)) for other in range(13)]
        assert int(np.argmin(distances)) == frame
        assert distances[frame] < 0.6, "only the rounding of two decoders"
        assert np.partition(distances, 1)[1] > 2 * distances[frame]


def test_the_frames_on_the_page_are_those_of_the_build(page, built):
    import av

    with av.open(str(built.out / "video.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 13
    for frame in (0, 7, 12):
        carried = unpacked(page, "result", frame)
        assert carried.shape == frames[frame].shape
        assert differs_by(carried, frames[frame]) < 4


def test_the_divider_moves_with_the_pointer_and_shows_a_layer_on_each_side(page):
    choose(page, "left", "depth")
    choose(page, "right", "result")
    go(page, 6)
    page.js("document.getElementById('viewer').scrollIntoView({block: 'center', behavior: 'instant'})")
    left, top, width, height = page.js(
        f"(() => {{ const b = {FRAME}.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; }})()"
    )
    depth, result = unpacked(page, "depth", 6), unpacked(page, "result", 6)
    middle = top + height * 0.4
    for share in (0.25, 0.8):
        handle = page.js(
            "(() => { const b = document.getElementById('wipe').getBoundingClientRect();"
            " return b.left + b.width / 2; })()"
        )
        before = page.screenshot()
        page.drag((handle, middle), (left + width * share, middle))
        page.js("new Promise((done) => setTimeout(done, 150))")
        assert differs_by(before, page.screenshot()) > 1
        shown = pixels_of(page)[..., :3]
        edge = round(shown.shape[1] * share)
        assert differs_by(shown[:, : edge - 3], depth[:, : edge - 3]) < 1.5
        assert differs_by(shown[:, edge + 3 :], result[:, edge + 3 :]) < 1.5
        assert int(page.js("document.getElementById('wipe').ariaValueNow")) == pytest.approx(100 * share, abs=1)


def test_keys_step_jump_and_play(page):
    page.js("document.body.focus()")
    for key, frame in (
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("End", 12),
        ("ArrowRight", 12),
        ("Home", 0),
    ):
        page.key(key)
        page.wait_for(f"{SHOWN} === {frame}")
        assert page.js("document.getElementById('readout-frame').textContent") == str(frame)
        assert page.js("Number(document.getElementById('scrub').value)") == frame
    page.key(" ")
    page.wait_for(f"{SHOWN} >= 3")
    page.key(" ")
    assert page.js("Clock.playing") is False


def test_it_plays_at_the_rate_of_the_clip(page):
    # A machine that is busy skips frames, but the one that is shown is always the one of that moment.
    begun, told = page.js(
        "new Promise((done) => { const seen = []; Clock.toggle(); const begun = performance.now();"
        " Clock.follow((frame) => seen.push([performance.now(), frame]));"
        " const end = () => { if (seen.length < 8) return setTimeout(end, 50); Clock.toggle(); done([begun, seen]); };"
        " setTimeout(end, 400); })"
    )
    steps = [(at, frame) for (_, before), (at, frame) in pairwise(told) if frame != before]
    late = [((at - begun) * 24 / 1000 - frame + 6.5) % 13 - 6.5 for at, frame in steps]
    assert len(steps) >= 3
    assert sorted(map(abs, late))[len(late) // 2] < 2, late


def test_the_scrubber_and_a_keyframe_go_to_their_frames(page):
    page.js(
        "(() => { const s = document.getElementById('scrub'); s.value = 9; s.dispatchEvent(new Event('input')); })()"
    )
    page.wait_for(f"{SHOWN} === 9")
    page.js("document.querySelector('#strip button[data-frame=\"6\"]').click()")
    page.wait_for(f"{SHOWN} === 6")
    assert page.js("document.querySelector('#strip button.on').dataset.frame") == "6"


def test_objects_and_what_was_unseen_lie_over_the_render(page, built):
    for layer, colour in (("objects", (255, 107, 53)), ("unobserved", (255, 0, 106))):
        choose(page, "left", "render")
        choose(page, "right", "render")
        go(page, 12)
        plain = pixels_of(page)[..., :3].astype(int)
        choose(page, "left", layer)
        choose(page, "right", layer)
        over = pixels_of(page)[..., :3].astype(int)
        # What is marked has come nearer to the layer's colour, everything else is only dimmed.
        is_marked = np.abs(over - colour).sum(axis=2) < np.abs(plain - colour).sum(axis=2) - 60
        assert 0.002 < is_marked.mean() < 0.3
        assert (over[~is_marked] <= plain[~is_marked] + 3).mean() > 0.98


def test_the_scene_is_drawn_and_follows_the_frame_and_the_camera(page):
    page.js("document.getElementById('view').scrollIntoView({block: 'center', behavior: 'instant'})")
    page.wait_for("document.getElementById('view').dataset.ready === 'true'")
    copied = (
        "(() => { const from = document.querySelector('#view canvas'), to = document.createElement('canvas');"
        " to.width = 256; to.height = 144; to.getContext('2d').drawImage(from, 0, 0, 256, 144); return to; })()"
    )

    def seen(frame):
        go(page, frame)
        page.wait_for(f"document.getElementById('view').dataset.frame === '{frame}'")
        page.js(f"globalThis.copied = {copied}")
        return pixels_of(page, "globalThis.copied")[..., :3]

    first, last = seen(0), seen(12)
    assert first.reshape(-1, 3).std(axis=0).min() > 10
    assert differs_by(first, last) > 0.05
    page.js("document.getElementById('view-camera').click()")
    page.wait_for("document.getElementById('view').dataset.through === 'true'")
    through = seen(12)
    assert differs_by(through, last) > 5
    # Through the camera it is the render, but for filters and edges.
    render = Image.fromarray(unpacked(page, "render", 12)).resize((256, 144), Image.Resampling.BILINEAR)
    assert differs_by(through, np.asarray(render)) < 8
    assert page.complaints == []


def test_a_plot_and_a_worst_frame_lead_to_their_frames(page):
    assert page.js("document.querySelectorAll('.plot[data-metric]').length") > 0
    worst = page.js("document.querySelector('#metrics .jump').dataset.frame")
    page.js("document.querySelector('#metrics .jump').click()")
    page.wait_for(f"{SHOWN} === {worst}")
    page.js("document.querySelector('.plot').scrollIntoView({block: 'center', behavior: 'instant'})")
    left, top, width, height = page.js(
        "(() => { const b = document.querySelector('.plot svg').getBoundingClientRect();"
        " return [b.left, b.top, b.width, b.height]; })()"
    )
    place = (left + width * 3 / 12, top + height / 2)
    page.drag(place, place)
    page.wait_for(f"{SHOWN} === 3")
    assert page.js("document.querySelector('.plot .cursor').getAttribute('transform')") == "translate(250 0)"


@pytest.mark.parametrize("width, height", [(390, 844), (320, 640), (768, 1024), (1440, 900)])
def test_nothing_is_wider_than_the_window(open_page, width, height):
    page = open_page(width=width, height=height, touch=width < 700)
    page.wait_for(f"{SHOWN} === 0")
    assert page.js("document.documentElement.scrollWidth") == width
    assert page.js("document.getElementById('play').getBoundingClientRect().right") < width
    assert page.complaints == []


def test_it_is_dark_where_the_reader_wants_it_dark(open_page):
    lightness = {}
    for dark in (False, True):
        page = open_page(dark=dark)
        page.wait_for(f"{SHOWN} === 0")
        lightness[dark] = page.screenshot()[5, 5].mean()
    assert lightness[False] > 220
    assert lightness[True] < 40


def test_a_page_of_a_build_that_made_little_says_what_is_missing(open_page, built, tmp_path):
    shutil.copytree(built.folder, tmp_path / "part", ignore=shutil.ignore_patterns("out"), symlinks=True)
    from i2v3d.report.page import page_html

    options = ProjectOptions(tmp_path / "part", until="prepare", cache=built.folder / ".i2v3d")
    project, pages = open_project(options), []
    project.build(lambda event: None, (lambda finished: pages.append(page_html(finished, project.loaded)) or (),))
    file = tmp_path / "part.html"
    file.write_text(pages[0], encoding="utf-8")
    page = open_page(file.as_uri())
    assert page.complaints == []
    assert page.js("document.getElementById('frame')") is None
    text = page.js("document.body.innerText")
    assert "no finished video" in text
    assert "Nothing was measured" in text
    page.key("ArrowRight")
    assert page.js("document.getElementById('readout-frame').textContent") == "1"


def test_a_live_page_may_run_the_script_it_is_given_and_no_other(open_page, built, tmp_path):
    page_text = page_of(built, live_reload="document.documentElement.dataset.live = 'yes';")
    file = tmp_path / "live.html"
    file.write_text(page_text.replace("</body>", "<script>document.title = 'let in'</script></body>"), encoding="utf-8")
    page = open_page(file.as_uri())
    assert page.js("document.documentElement.dataset.live") == "yes"
    assert page.js("document.title") == "small \u2013 i2v3d report"
