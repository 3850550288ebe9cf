"""A sequence of .obj files from spec to scene cache: what an edit runs again, and how other faces are told."""

import numpy as np
import pytest

from tests.end_to_end.scenes import SPEC, i2v3d, write_spec

pytestmark = [pytest.mark.blender, pytest.mark.slow]


def strip(lean, rows=6):
    """A standing strip, Y up, that leans to the right."""
    height = np.linspace(0, 2, rows)
    points = [(x + lean * y, y, 0.0) for y in height for x in (-0.5, 0.5)]
    lines = [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in points]
    lines += [f"f {2 * k + 1} {2 * k + 2} {2 * k + 4} {2 * k + 3}" for k in range(rows - 1)]
    return "\n".join(lines) + "\n"


def spec(**options):
    sequence = {"files": "strip/*.obj", **options}
    objects = {"strip": {"mesh": {"sequence": sequence}, "place": {"at": [0, 12]}, "height": "3m"}}
    return SPEC | {"objects": objects, "motion": {}, "camera": [{"at": 0}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequence")
    (folder / "strip").mkdir()
    for number in range(1, 5):
        (folder / "strip" / f"strip_{number:03d}.obj").write_text(strip(0.1 * number))
    i2v3d("build", write_spec(folder, spec()), "--until", "check")
    return folder


def test_another_rate_reads_no_file_again_and_an_edited_file_is_seen(folder):
    said = i2v3d("build", write_spec(folder, spec(fps=12)), "--until", "check").stdout
    assert "3 steps run" in said, "the script, Blender and the check"
    (folder / "strip" / "strip_003.obj").write_text(strip(0.25))
    said = i2v3d("build", folder / "scene.yaml", "--until", "check").stdout
    assert "4 steps run" in said, "these and the object's mesh"
    (folder / "strip" / "notes.txt").write_text("no mesh")
    assert "all 9 steps reused" in i2v3d("build", folder / "scene.yaml", "--until", "check").stdout


def test_a_file_with_other_faces_is_told_with_its_name_and_the_line_of_the_spec(folder):
    (folder / "strip" / "strip_004.obj").write_text(strip(0.4, rows=9))
    run = i2v3d("build", write_spec(folder, spec()), "--until", "check", check=False)
    said = run.stdout + run.stderr
    assert run.returncode == 1
    assert "strip_004.obj: it has 16 faces and strip_001.obj has 10" in said
    assert "remesh with constant topology" in said
    assert "scene.yaml:" in said
