"""build.json of a real build: verified, moved, tampered with, built again, and held to by --locked."""

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from scenes import SPEC, i2v3d, write_spec

pytestmark = [pytest.mark.slow, pytest.mark.blender]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locked") / "small"
    i2v3d("build", write_spec(folder, SPEC))
    return folder


@pytest.fixture
def project(built, tmp_path):
    """A copy of the built scene, with its store, that a test may spoil."""
    folder = tmp_path / "moved" / "small"
    shutil.copytree(built, folder)
    return folder


def steps_of(folder):
    return len(json.loads((folder / "out" / "small" / "build.json").read_text())["steps"])


def verify(folder, *arguments):
    return i2v3d("verify", folder / "out" / "small" / "build.json", *arguments, check=False)


def edit(file, change):
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def set_value(project, old, new):
    spec = project / "scene.yaml"
    assert old in spec.read_text()
    spec.write_text(spec.read_text().replace(old, new))


def test_a_fresh_build_is_verified_from_any_folder_and_by_its_folder_too(built, tmp_path):
    run = verify(built)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "delivered files are what was built" in run.stdout
    assert f"all {steps_of(built)} steps would be made as they were" in run.stdout
    assert i2v3d("verify", built / "out" / "small", cwd=tmp_path).stdout.endswith("the same\n")


def test_the_folder_may_be_moved(project):
    run = verify(project)
    assert run.returncode == 0, run.stdout
    assert "same     the spec is unchanged" in run.stdout


def test_results_may_be_moved_without_their_spec_which_is_told(built, tmp_path):
    shutil.copytree(built / "out" / "small", tmp_path / "elsewhere")
    run = i2v3d("verify", tmp_path / "elsewhere")
    assert "the spec is gone, ../../scene.yaml: the steps were not compared" in run.stdout
    assert run.stdout.endswith("the same, as far as was compared\n")
    again = i2v3d("verify", tmp_path / "elsewhere", "--spec", built / "scene.yaml")
    assert "steps would be made as they were" in again.stdout


def test_verifying_leaves_no_store_behind(project):
    shutil.rmtree(project / ".i2v3d")
    assert verify(project).returncode == 0
    assert not (project / ".i2v3d").exists()


def test_a_changed_byte_in_the_video_is_found(project):
    video = project / "out" / "small" / "video.mp4"
    video.chmod(0o644)
    data = bytearray(video.read_bytes())
    data[len(data) // 2] ^= 1
    video.write_bytes(data)
    (project / "out" / "small" / "cameras.json").unlink()
    run = verify(project)
    assert run.returncode == 1
    assert "DIFFERS  video.mp4: not what was built: " in run.stdout
    assert "DIFFERS  cameras.json: gone" in run.stdout


def test_a_changed_value_of_the_spec_is_named_with_its_line_and_the_steps(project):
    set_value(project, "10m", "12m")
    run = verify(project)
    assert run.returncode == 1
    assert "DIFFERS  ../../scene.yaml: not what was built" in run.stdout
    (line,) = [line for line in run.stdout.splitlines() if "12.0" in line]
    assert "10.0 -> 12.0  [scene.yaml:" in line
    assert line.endswith(": scene_script")


def test_an_edit_that_means_the_same_is_told_and_is_no_difference(project):
    set_value(project, "i2v3d: 1", "# a remark\ni2v3d: 1")
    run = verify(project)
    assert run.returncode == 0
    assert "but it means the same" in run.stdout


def test_a_spec_that_no_longer_loads_is_a_difference(project):
    set_value(project, "mesh: card", "mehs: card")
    run = verify(project)
    assert run.returncode == 1
    assert "the spec can't be built now" in run.stdout
    assert "did you mean `mesh`" in run.stdout


def test_another_version_of_a_package_is_named(project):
    manifest = project / "out" / "small" / "build.json"
    edit(manifest, lambda document: document["stages"]["render/gl"]["tools"].update(moderngl="4.0.0"))
    run = verify(project)
    assert run.returncode == 1
    assert "tool moderngl 4.0.0 -> " in run.stdout
    locked = i2v3d("build", project / "scene.yaml", "--locked", check=False)
    assert locked.returncode == 1
    assert "tool moderngl 4.0.0 -> " in locked.stderr


@pytest.mark.parametrize("content", ["{}", "no json", '{"format": 99}'])
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "other.json").write_text(content)
    run = i2v3d("verify", tmp_path / "other.json", check=False)
    assert run.returncode == 2
    assert "not a build.json" in run.stderr


def test_a_manifest_does_not_lead_out_of_its_folder(project):
    manifest = project / "out" / "small" / "build.json"
    edit(manifest, lambda document: document["delivered"][0].update(path="../../scene.yaml"))
    assert verify(project).returncode == 2


def test_a_rebuild_gives_the_same_bytes_and_leaves_nothing_behind(project):
    before = sorted(path for path in project.rglob("*") if ".i2v3d" not in path.parts)
    run = verify(project, "--rebuild")
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{steps_of(project)} of {steps_of(project)} steps gave the same bytes again" in run.stdout
    assert "note     scene.blend: not compared" in run.stdout
    assert sorted(path for path in project.rglob("*") if ".i2v3d" not in path.parts) == before


def test_a_rebuild_with_a_store_says_what_it_did_not_make_again(project):
    run = verify(project, "--rebuild", "--cache", project / ".i2v3d")
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{steps_of(project)} steps were in the store given, so they were not made again" in run.stdout


def test_a_rebuild_without_its_spec_says_so(built, tmp_path):
    shutil.copytree(built / "out" / "small", tmp_path / "elsewhere")
    run = i2v3d("verify", tmp_path / "elsewhere", "--rebuild", check=False)
    assert run.returncode == 2
    assert "the spec is gone, so nothing can be rebuilt" in run.stderr


def test_locked_lets_an_unchanged_scene_pass(project):
    run = i2v3d("build", "--locked", project / "scene.yaml")
    assert "0 steps run" in run.stdout
    assert f"{steps_of(project)} up to date" in i2v3d("plan", "--locked", project / "scene.yaml").stdout


def test_locked_refuses_a_change_before_anything_runs(project):
    set_value(project, "10m", "12m")
    builds = sorted((project / ".i2v3d" / "builds").rglob("*"))
    for command in ("build", "plan"):
        run = i2v3d(command, "--locked", project / "scene.yaml", check=False)
        assert run.returncode == 1
        assert "nothing was run" in run.stderr
        assert "[scene.yaml:" in run.stderr
    assert sorted((project / ".i2v3d" / "builds").rglob("*")) == builds


def test_a_committed_lock_is_held_to_where_nothing_was_built_yet(project):
    shutil.move(project / "out" / "small" / "build.json", project / "scene.lock.json")
    shutil.rmtree(project / "out")
    run = i2v3d("build", project, f"--locked={project / 'scene.lock.json'}")
    assert "0 steps run" in run.stdout
    other = i2v3d(
        "build", project, f"--locked={project / 'scene.lock.json'}", "--set", "keyframes.every=2", check=False
    )
    assert other.returncode == 1
    assert "not in the lock: " in other.stderr


def test_without_a_lock_there_is_nothing_to_hold_to(tmp_path):
    spec = write_spec(tmp_path / "new", SPEC)
    run = i2v3d("build", spec, "--locked", check=False)
    assert run.returncode == 2
    assert "there is no such lock file" in run.stderr


def test_a_lock_is_written_again_without_running_a_step(project):
    manifest = project / "out" / "small" / "build.json"
    manifest.unlink()
    assert "0 steps run" in i2v3d("build", project / "scene.yaml").stdout
    assert manifest.is_file()
    assert "up to date" in i2v3d("build", project / "scene.yaml").stdout


def test_a_preview_has_no_lock_and_touches_none(project):
    manifest = project / "out" / "small" / "build.json"
    before = manifest.read_bytes()
    i2v3d("build", project / "scene.yaml", "--preview")
    assert manifest.read_bytes() == before
    run = i2v3d("build", project / "scene.yaml", "--preview", "--locked", check=False)
    assert run.returncode == 2
    assert "leave out --locked or --preview" in run.stderr


def test_whether_there_was_a_report_is_no_drift(project):
    assert "would be made as they were" in verify(project).stdout
    i2v3d("build", project / "scene.yaml", "--locked", "--no-report")
    run = verify(project)
    assert run.returncode == 0, run.stdout
    i2v3d("build", project / "scene.yaml", "--locked")
    assert verify(project).returncode == 0
