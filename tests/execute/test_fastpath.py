from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from i2v3d.execute.fastpath import FastPath, find_up_to_date, identify


@pytest.fixture
def built(toys, source):
    """Builds with a fast path; gives what asks it."""
    spec = toys.folder / "scene.yaml"
    spec.write_text("spec")
    time.sleep(0.05)  # files edited a moment before the build are not remembered, see the test below
    identity = identify(spec, ("--jobs", "2"))
    toys.build(toys.chain(source), fast_path=FastPath(identity, (spec,), time.time_ns(), {"video": "here"}))
    return lambda: find_up_to_date(toys.store.root, identity)


def test_a_build_with_nothing_to_do_is_known_at_once(built):
    assert built() == {"video": "here"}


@pytest.mark.parametrize("what", ["spec", "source", "delivered", "blob", "delivered gone", "blob gone", "code"])
def test_any_change_leaves_the_fast_path(toys, source, built, what):
    graph = toys.chain(source)
    place = {
        "spec": toys.folder / "scene.yaml",
        "source": source,
        "delivered": toys.out / "result.txt",
        "blob": toys.blob(graph, "join[1]"),
        "code": toys.package / "join.py",
    }[what.removesuffix(" gone")]
    if what.endswith("gone"):
        place.unlink()
    else:
        before = place.stat()
        place.chmod(0o644)
        with place.open("r+b") as file:
            file.write(b"#")
        os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert built() is None


def test_other_options_and_another_spec_are_other_builds(toys, tmp_path):
    (tmp_path / "a.yaml").touch()
    names = {
        identify(tmp_path / "a.yaml", ()),
        identify(tmp_path / "b.yaml", ()),
        identify(tmp_path / "a.yaml", ("x",)),
    }
    assert len(names) == 3
    assert find_up_to_date(toys.store.root, names.pop()) is None


def test_a_spec_edited_while_it_was_read_is_not_remembered(toys, source):
    spec = toys.folder / "scene.yaml"
    loaded_at_ns = time.time_ns()
    spec.write_text("edited after the build began to read it")
    identity = identify(spec, ())
    toys.build(toys.chain(source), fast_path=FastPath(identity, (spec,), loaded_at_ns, {}))
    assert find_up_to_date(toys.store.root, identity) is None


def test_a_source_edited_after_the_spec_was_read_is_not_remembered(toys, source):
    spec = toys.folder / "scene.yaml"
    spec.write_text("spec")
    time.sleep(0.05)
    loaded_at_ns = time.time_ns()
    source.write_text("edited when its size had been read already")
    time.sleep(0.05)
    identity = identify(spec, ())
    toys.build(toys.chain(source), fast_path=FastPath(identity, (spec,), loaded_at_ns, {}))
    assert find_up_to_date(toys.store.root, identity) is None


def test_the_fast_path_imports_only_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); from i2v3d.execute.fastpath import find_up_to_date; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - sys.stdlib_module_names - {'i2v3d'}))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
