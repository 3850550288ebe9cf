"""What a user sees of bad input, through the command line: the whole text, the exit code, and nothing half-written.

`tests/spec/test_broken.py` holds the many ways in which a spec can be wrong; here is one of each kind, and
what only shows when steps run.
"""

import re
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from bad_input import SCENE, assert_nothing_half_written, assert_pinned, build, photo, told, write
from scenes import i2v3d

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)

# Name of the case: what replaces what in the scene.
WRONG_SPECS = {
    "missing_file": ("photo.png", "foto.png"),
    "file_outside": ("photo.png", "../../etc/passwd"),
    "photo_of_60_megapixels": ("photo.png", "huge.png"),
    "animated_photo": ("photo.png", "animated.gif"),
    "text_for_photo": ("photo.png", "text.png"),
    "wrong_type": ("fps: 24", "fps: fast"),
    "unknown_key": ("mesh: card", "mehs: card"),
    "bad_unit": ("fov: 40deg", "fov: 40m"),
    "keys_out_of_order": ("{at: 8, move", "{at: 1, move"),
    "key_beyond_the_end": ("{at: 8, zoom", "{at: 1s, zoom"),
    "unknown_object": ("motion:\n  rocket:", "motion:\n  roket:"),
    "box_outside_the_picture": ("[0.45, 0.2, 0.56, 0.8]", "[450, 20, 560, 80]"),
    "mesh_that_is_none": ("mesh: card", "mesh: {file: fake.glb}\n  # the rocket is drawn from a file"),
    "tab": ("  rocket:\n    segment", "\trocket:\n    segment"),
    "duplicate_key": ("    mesh: card\n", "    mesh: card\n    mesh: box\n"),
    "alias_bomb": ("i2v3d: 1\n", f"{BOMB}i2v3d: 1\n"),
    "not_utf8": ("name: small", "name: sm\udce4ll"),
    "mask_cut_short": ("{box: [0.45, 0.2, 0.56, 0.8]}", "{mask: short.png}"),
    "clip_without_a_rig": ("  rocket:\n    - {at: 2}\n    - {at: 8, move: [0, 0, 1m]}", "  rocket: {clips: [walk]}"),
}
WRONG_TEMPLATES = {
    "endless_template": (
        "name: small",
        "{% for i in range(90000) %}{% for j in range(90000) %}{% set x = i * j %}{% endfor %}{% endfor %}",
    ),
    "template_that_reaches_for_class": ("name: small", "name: {{ ''.__class__.__mro__ }}"),
}


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad_files")
    frames = [Image.new("RGB", (64, 64), (index * 90, 0, 0)) for index in range(3)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    Image.new("L", (10_000, 6_000)).save(folder / "huge.png")
    (folder / "text.png").write_text("this is not a picture")
    (folder / "fake.glb").write_text("this is not a mesh")
    noise = np.random.default_rng(0).integers(0, 255, (108, 192), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "short.png")
    cut_in_half(folder / "short.png")
    return folder


def cut_in_half(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize("case", [*WRONG_SPECS, *WRONG_TEMPLATES])
def test_a_wrong_spec_is_told_with_its_line_and_writes_nothing(case, folder, bad_files):
    shutil.copytree(bad_files, folder, dirs_exist_ok=True)
    before = {*folder.iterdir()}
    if case in WRONG_SPECS:
        spec = write(folder, *WRONG_SPECS[case])
    else:
        spec = write(folder, *WRONG_TEMPLATES[case], name="scene.yaml.j2")
    run = build(folder, spec.name)
    assert_pinned(case, told(run, folder))
    assert run.stdout == ""
    assert {*folder.iterdir()} == before | {spec}


def mask_of(value: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        Image.new("L", (192, 108), value).save(folder / "mask.png")
        write(folder, "{box: [0.45, 0.2, 0.56, 0.8]}", "{mask: mask.png}")

    return make


def cut_photo_short(folder: Path) -> None:
    photo().save(folder / "photo.jpg")
    cut_in_half(folder / "photo.jpg")
    write(folder, "photo.png", "photo.jpg")


def empty_glb(folder: Path) -> None:
    (folder / "flag.glb").write_bytes(b"glTF" + struct.pack("<II", 2, 12))
    write(folder, "objects:\n", "objects:\n  flag: {mesh: {file: flag.glb}, place: {at: [1m, 3m]}}\n")


def backdrop_before_the_object(folder: Path) -> None:
    write(folder, "horizon: 60%}", "horizon: 60%, contact: 95%}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "make", "step"),
    [
        ("empty_mask", mask_of(0), "segment"),
        ("mask_of_everything", mask_of(255), "segment"),
        ("photo_cut_short", cut_photo_short, "prepare"),
        ("glb_without_content", empty_glb, "foreground_mesh[flag]"),
        ("backdrop_before_the_object", backdrop_before_the_object, "layout"),
    ],
)
def test_input_that_a_step_refuses_is_told_with_its_line(case, make, step, folder):
    make(folder)
    run = build(folder, "scene.yaml", "--until", step)
    assert_pinned(case, told(run, folder))
    assert_nothing_half_written(folder)
    assert "Traceback" not in run.stdout + run.stderr


def prepared(folder: Path) -> np.ndarray:
    """The working picture that `prepare` has put into the store."""
    from i2v3d.store.local import LocalStore

    store = LocalStore(folder / ".i2v3d")
    records = [store.records.read(path) for path in store.records.all_paths()]
    store.close()
    ((digest, size),) = [
        (file.digest, file.size) for record in records for file in record.outputs["photo"].files if record is not None
    ]
    assert size > 0
    with Image.open(store.objects.path(digest)) as picture:
        return np.asarray(picture).astype(int)


def save_cmyk(folder: Path) -> str:
    photo().convert("CMYK").save(folder / "other.tif")
    return "other.tif"


def save_16_bit(folder: Path) -> str:
    grey = np.asarray(photo().convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(folder / "other.png")
    return "other.png"


def save_turned(folder: Path) -> str:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by 90 degrees to stand upright
    photo().transpose(Image.Transpose.ROTATE_90).save(folder / "other.png", exif=exif)
    return "other.png"


@pytest.mark.slow
@pytest.mark.parametrize("save", [save_cmyk, save_16_bit, save_turned])
def test_an_unusual_photo_works_and_looks_as_it_should(save, folder):
    write(folder, "photo.png", save(folder))
    run = build(folder, "scene.yaml", "--until", "prepare")
    assert run.returncode == 0, run.stderr
    expected = photo().convert("L").convert("RGB") if save is save_16_bit else photo()
    found = prepared(folder)
    assert found.shape == (108, 192, 3)
    assert np.abs(found - np.asarray(expected)).max() <= 1


@pytest.mark.slow
def test_a_photo_with_alpha_works_and_says_so_each_time(folder):
    opacity = Image.new("L", (192, 108), 255)
    opacity.paste(0, (0, 0, 192, 20))
    transparent = photo()
    transparent.putalpha(opacity)
    transparent.save(folder / "photo.png")
    write(folder)
    first = build(folder, "scene.yaml", "--until", "prepare")
    assert_pinned("photo_with_alpha", told(first, folder))
    assert (prepared(folder)[:18] == 255).all()
    assert np.abs(prepared(folder)[22:] - np.asarray(photo())[22:]).max() <= 1
    again = build(folder, "scene.yaml", "--until", "segment")  # `prepare` is reused here
    assert told(again, folder) == told(first, folder)


@pytest.mark.slow
def test_a_name_is_only_a_name_in_the_script(folder):
    import ast

    def script(name: str) -> ast.Module:
        (folder / "scene.yaml").write_text(SCENE.replace("rocket:", f"{name!r}:"))
        run = build(folder, "scene.yaml", "--until", "scene_script", "--jobs", 1)
        assert run.returncode == 0, run.stderr
        return ast.parse((folder / "out" / "small" / "scene" / "scene.py").read_text())

    def without_texts(module: ast.Module) -> str:
        return re.sub(r"Constant\(value='(\\.|[^'\\])*'\)|Constant\(value=\"[^\"]*\"\)", "TEXT", ast.dump(module))

    nasty = script('"); import os')
    assert '"); import os' in {node.value for node in ast.walk(nasty) if isinstance(node, ast.Constant)}
    assert without_texts(nasty) == without_texts(script("rocket"))


@pytest.mark.parametrize(
    ("case", "arguments"),
    [
        ("no_such_spec", ("build", "nothing.yaml")),
        ("folder_without_spec", ("build", "empty")),
        ("unknown_step_until", ("build", ".", "--until", "layot")),
        ("unknown_step_only", ("build", ".", "--only", "nonsense")),
        ("unknown_step_explained", ("explain", ".", "segment[roket]")),
        ("no_jobs", ("build", ".", "--jobs", "0")),
        ("no_variables", ("build", ".", "--vars", "nothing.yaml")),
        ("unknown_variant", ("build", ".", "--variant", "slow")),
        ("unknown_option", ("build", ".", "--untill", "layout")),
        ("wrong_override", ("build", ".", "--set", "output.fsp=25")),
        ("no_store", ("cache", "ls")),
        ("no_size", ("cache", "gc", "--cache", "store", "--max-size", "much")),
    ],
)
def test_a_wrong_command_line_is_told_with_what_would_be_right(case, arguments, folder):
    write(folder)
    (folder / "empty").mkdir()
    (folder / "store" / "objects").mkdir(parents=True)
    run = i2v3d(*arguments, check=False, cwd=folder)
    assert_pinned(case, told(run, folder))
    assert run.stdout == ""
    assert run.returncode == 2
    assert not (folder / "out").exists()


@pytest.mark.slow
@pytest.mark.blender
@pytest.mark.parametrize(
    ("case", "old", "new"),
    [
        ("camera_inside_an_object", "[0, 0, 1m]", "[0, -26.6m, 0]"),
        ("camera_behind_the_backdrop", "zoom: 1.2", "dolly: 500m"),
    ],
)
def test_a_camera_where_it_sees_nothing_is_told_with_the_frame(case, old, new, folder):
    spec = write(folder, old, new)
    spec.write_text(spec.read_text().replace("mesh: card", "mesh: box"))
    run = build(folder, "scene.yaml", "--until", "assemble")
    assert_pinned(case, told(run, folder))
    assert {item.name for item in (folder / "out" / "small").iterdir()} == {"scene"}


@pytest.mark.slow
@pytest.mark.blender
def test_an_object_that_is_never_in_the_picture_is_a_warning_each_time(folder):
    write(folder, "{at: 2}", "{at: 0, move: [900m, 0, 0]}")
    spec = folder / "scene.yaml"
    spec.write_text(spec.read_text().replace("[0, 0, 1m]", "[900m, 0, 1m]"))
    first = build(folder, "scene.yaml", "--until", "assemble")
    assert_pinned("object_never_in_the_picture", told(first, folder))
    again = build(folder, "scene.yaml", "--until", "assemble", "--force", "prepare")
    assert told(again, folder) == told(first, folder)
