import sys
from pathlib import Path

import pytest

from i2v3d.blender.run import last_python_line, run_script
from i2v3d.errors import BlenderError, MissingBackendError

DONE = """
import sys, json
with open(sys.argv[sys.argv.index('--result') + 1], 'w') as file:
    json.dump({'status': 'done'}, file)
"""


def run(folder: Path, text: str, *arguments: str, timeout_s: float = 20.0) -> str:
    (folder / "lib").mkdir()
    script = folder / "scene.py"
    script.write_text(text)
    run_script(script, arguments, work_dir=folder, timeout_s=timeout_s)
    return (folder / "blender.log").read_text()


def test_output_of_every_kind_goes_to_the_log(tmp_path):
    text = (
        "import os, sys\nprint('by python', flush=True)\nos.write(1, b'by the library\\n')\nos.write(2, b'errors\\n')\n"
    )
    log = run(tmp_path, text + DONE)
    assert log.splitlines() == ["by python", "by the library", "errors"]


def test_arguments_reach_the_script(tmp_path):
    assert "['--emit', 'blend']" in run(tmp_path, "import sys\nprint(sys.argv[1:3])" + DONE, "--emit", "blend")


def test_a_failed_script_is_told_by_its_last_line_and_place(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "meshes.py").write_text("def load():\n    raise ValueError('no such texture')\n")
    script = tmp_path / "scene.py"
    script.write_text("import sys\nsys.path.insert(0, sys.path[0])\nfrom lib.meshes import load\nload()\n")
    with pytest.raises(BlenderError) as caught:
        run_script(script, [], work_dir=tmp_path, timeout_s=20)
    assert caught.value.message == "ValueError: no such texture (lib/meshes.py:2)"
    assert "blender.log" in caught.value.hint


def test_a_script_that_ends_well_without_a_result_has_failed(tmp_path):
    with pytest.raises(BlenderError, match="no result file"):
        run(tmp_path, "print('done, promise')")


def test_a_script_that_is_killed_is_told_by_its_signal(tmp_path):
    with pytest.raises(BlenderError, match="SIGABRT"):
        run(tmp_path, "import os\nos.abort()")


def test_a_script_that_does_not_end_is_ended(tmp_path):
    with pytest.raises(BlenderError, match=r"no end after 0\.5 s"):
        run(tmp_path, "import time\ntime.sleep(60)", timeout_s=0.5)


def test_a_missing_system_library_is_told_by_its_package(tmp_path):
    message = "ImportError: libXrender.so.1: cannot open shared object file: No such file or directory"
    with pytest.raises(MissingBackendError) as caught:
        run(tmp_path, f"raise ImportError({message[13:]!r})")
    assert "libXrender.so.1" in caught.value.message
    assert "libxrender1" in caught.value.hint
    assert caught.value.exit_code == 3


def test_a_missing_bpy_is_told_by_its_install_line(tmp_path):
    with pytest.raises(MissingBackendError) as caught:
        run(tmp_path, "raise ModuleNotFoundError(\"No module named 'bpy'\")")
    assert "pip install 'bpy" in caught.value.hint


def test_settings_of_the_user_do_not_reach_the_script(tmp_path, monkeypatch):
    monkeypatch.setenv("BLENDER_USER_SCRIPTS", "/somewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("OCIO", "/somewhere/config.ocio")
    monkeypatch.setenv("CYCLES_CPU_NO_AVX2", "1")
    names = "[n for n in os.environ if n.startswith(('BLENDER', 'OCIO', 'CYCLES'))]"
    log = run(tmp_path, f"import os\nprint({names})\n" + DONE)
    assert log.splitlines()[0] == "['BLENDER_USER_RESOURCES']"


def test_the_last_of_several_tracebacks_counts():
    log = (
        'Traceback (most recent call last):\n  File "/x/scene.py", line 1, in <module>\nValueError: first\n'
        'Info: saved\nTraceback (most recent call last):\n  File "/x/lib/a.py", line 7, in f\n    f()\n'
        '  File "/blender/io.py", line 900, in g\nRuntimeError: second\nBlender quit\n'
    )
    assert last_python_line(log, Path("/x")) == "RuntimeError: second (lib/a.py:7)"
    assert last_python_line("Blender quit\n", Path("/x")) == ""


def test_this_program_does_not_import_blender():
    assert "bpy" not in sys.modules
