"""What a user sees of bad input, through the command line: the whole text, the exit code, and nothing half-written.

`tests/spec/test_broken.py` holds the many ways in which a spec can be wrong; here is one of each kind, and
what only shows when steps run. The texts are in `tests/golden/bad_input`.
"""

import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from scenes import ROOT, i2v3d

GOLDEN = ROOT / "tests" / "golden" / "bad_input"

SCENE = """\
i2v3d: 1
name: small
source:
  image: photo.png
  camera: {fov: 40deg}
output: {size: [192, 108], fps: 24, duration: 8f}
objects:
  rocket:
    segment: {box: [0.45, 0.2, 0.56, 0.8]}
    mesh: card
background: {layout: ground_and_backdrop, horizon: 60%}
motion:
  rocket:
    - {at: 2}
    - {at: 8, move: [0, 0, 1m]}
camera:
  - {at: 0}
  - {at: 8, zoom: 1.2}
"""

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
    "profile_not_available_yet": ("name: small", "profile: modern"),
    "rig_not_available_yet": ("  rocket:\n    - {at: 2}\n    - {at: 8, move: [0, 0, 1m]}", "  rocket: {rig: humanoid}"),
}
WRONG_TEMPLATES = {
    "endless_template": (
        "name: small",
        "{% for i in range(90000) %}{% for j in range(90000) %}{% set x = i * j %}{% endfor %}{% endfor %}",
    ),
    "template_that_reaches_for_class": ("name: small", "name: {{ ''.__class__.__mro__ }}"),
}


def photo(size: tuple[int, int] = (192, 108)) -> Image.Image:
    """A dark upright thing before a sky over ground, with some texture."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.stack([120 + columns * 0.3, 150 + rows * 0.4, 230 - rows * 0.9], axis=-1)
    picture[int(0.6 * height) :] = (120, 100, 60)
    picture += ((columns * 7 + rows * 13) % 11)[..., None]
    picture[int(0.25 * height) : int(0.75 * height), int(0.47 * width) : int(0.54 * width)] = (40, 30, 30)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "project").mkdir()
    photo().save(tmp_path / "project" / "photo.png")
    return tmp_path / "project"


def write(folder: Path, old: str = "", new: str = "", name: str = "scene.yaml") -> Path:
    assert not old or SCENE.count(old) == 1, old
    (folder / name).write_text(SCENE.replace(old, new) if old else SCENE, encoding="utf-8", errors="surrogateescape")
    return folder / name


def told(run: subprocess.CompletedProcess, folder: Path) -> str:
    """What went to standard error, without how far the build was, which depends on the machine."""
    passing = re.compile(r" +\d+\.\d s  | {11}\w+ x\d|building |  input ")
    lines = [line for line in run.stderr.splitlines() if not passing.match(line)]
    return f"exit {run.returncode}\n" + "\n".join(lines).replace(str(folder), "FOLDER") + "\n"


def assert_pinned(case: str, text: str) -> None:
    """After a wanted change: I2V3D_UPDATE_GOLDEN=1, then review the difference as code."""
    file = GOLDEN / f"{case}.txt"
    if os.environ.get("I2V3D_UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def build(folder: Path, *arguments: object) -> subprocess.CompletedProcess:
    return i2v3d("build", *arguments, check=False, cwd=folder)


def assert_nothing_half_written(folder: Path) -> None:
    """No deliverable, no result without its record, no work directory."""
    assert not (folder / "out").exists()
    store = folder / ".i2v3d"
    if store.exists():
        assert not list((store / "work").iterdir())
        assert i2v3d("cache", "verify", "--cache", store).stdout == "every stored file is what it was\n"


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


def private_mount(*mount: str) -> tuple[str, ...]:
    """A command prefix that mounts something for its own process only; skips where that is not allowed."""
    for unshare in (("unshare", "-m"), ("unshare", "-rm")):
        prefix = (*unshare, "sh", "-ec", f'{" ".join(mount)}; exec "$@"', "sh")
        if (
            shutil.which("unshare")
            and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
        ):
            return prefix
    pytest.skip("nothing can be mounted here")


def build_within(prefix: tuple[str, ...], folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [*prefix, sys.executable, "-m", "i2v3d", "build", "scene.yaml", "--until", "scene_script", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "option", "size"), [("store", "--cache", "64k"), ("out", "--out", "24k")])
def test_a_full_disk_is_told_and_another_build_goes_on(case, option, size, folder):
    write(folder)
    place = folder / "small disk"
    place.mkdir()
    prefix = private_mount("mount", "-t", "tmpfs", "-o", f"size={size}", "none", f"'{place}'")
    run = build_within(prefix, folder, option, str(place / "x"))
    assert_pinned(f"full_disk_{case}", told(run, folder))
    assert_nothing_half_written(folder)
    assert build_within((), folder, option, str(place / "x")).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("case", "option"), [("store", "--cache"), ("out", "--out")])
def test_a_folder_that_can_not_be_written_is_told(case, option, folder):
    write(folder)
    place = folder / "locked"
    place.mkdir()
    prefix = private_mount(
        "mount", "--bind", f"'{place}'", f"'{place}'", "&&", "mount -o remount,ro,bind", f"'{place}'"
    )
    run = build_within(prefix, folder, option, str(place / "x"))
    assert_pinned(f"no_permission_{case}", told(run, folder))
    assert_nothing_half_written(folder)
    assert not list(place.iterdir())


def descendants(pid: int) -> list[int]:
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listing.splitlines())}
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


@pytest.mark.slow
def test_ctrl_c_ends_every_process_and_leaves_nothing_half_written(folder):
    write(folder)
    command = [sys.executable, "-m", "i2v3d", "build", "scene.yaml", "--until", "background_mesh", "--progress", "json"]
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        for line in run.stdout:
            if '"StepStarted"' in line and '"segment' in line:
                break
        children = descendants(run.pid)
        os.killpg(run.pid, signal.SIGINT)
        _, errors = run.communicate(timeout=30)
    assert run.returncode == 130
    assert errors.strip() == "interrupted; what was finished is kept"
    assert children
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    assert_nothing_half_written(folder)
    assert "1 reused" in build(folder, ".", "--until", "segment").stdout
