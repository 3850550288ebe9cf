"""What is in build.json, on toy builds; on real ones see tests/end_to_end/test_lock.py."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import replace
from pathlib import Path

import pytest
from locked import build_locked, rocket_project

from i2v3d.backends.weights import find_model, repository_folder
from i2v3d.errors import UsageError
from i2v3d.execute.fastpath import FastPath, find_up_to_date, identify
from i2v3d.execute.manifest import manifest_writer, model_entries
from i2v3d.plan.drift import drift_of_models
from i2v3d.plan.manifest import SCHEMA_FILE, Manifest, json_text, read_manifest, schema_text
from i2v3d.plan.resolve import Resolver
from i2v3d.resources import schemas_dir
from i2v3d.store.digests import digest_file
from tests.fake_weights import fill_fake_cache


def test_every_step_source_and_delivered_file_is_in_it(toys, source):
    graph = toys.fan(source)
    manifest = build_locked(toys, graph)
    assert list(manifest.steps) == list(graph.nodes)
    step = manifest.steps["pair[2]"]
    assert step.stage == "pair"
    assert step.inputs["words"].source == "split.words[1:4]"
    assert step.outputs["text"].files == 1
    assert not step.reused
    assert manifest.steps["join"].outputs["scrap"].volatile
    assert [entry.path for entry in manifest.sources] == ["../source.txt"]
    assert manifest.sources[0].digest == digest_file(source)
    assert manifest.sources[0].spec == "read.source"
    (delivered,) = manifest.delivered
    assert (delivered.path, delivered.step) == ("result.txt", "join")
    assert delivered.digest == digest_file(toys.out / "result.txt")
    assert manifest.stages["pair"].tools["python"] == "3.11"
    assert set(resolver_code(graph, toys)) <= set(manifest.code)


def resolver_code(graph, toys):
    return Resolver(graph, toys.store).code("join").parts


def test_it_says_which_spec_it_was_and_finds_it_from_where_it_lies(toys, source):
    manifest = build_locked(toys, toys.chain(source))
    assert manifest.spec.file == "../rocket/scene.yaml"
    assert manifest.spec.digest == digest_file(toys.folder / "rocket" / "scene.yaml")


def test_it_names_neither_this_machine_nor_a_place_on_it(toys, source):
    build_locked(toys, toys.chain(source))
    text = (toys.out / "build.json").read_text()
    assert str(toys.folder) not in text
    assert str(Path.home()) not in text
    assert platform.node() not in text


def test_a_build_that_runs_nothing_writes_the_same_but_for_time_and_reuse(toys, source):
    first = build_locked(toys, toys.chain(source))
    second = build_locked(toys, toys.chain(source))
    assert all(step.reused for step in second.steps.values())
    steps = {name: step.model_copy(update={"reused": False}) for name, step in second.steps.items()}
    assert second.model_copy(update={"built_at": first.built_at, "steps": steps}) == first


def test_a_deleted_one_comes_back_without_running_a_step(toys, source):
    project = rocket_project(toys.folder)
    graph, spec = toys.chain(source), project.options.spec_file
    time.sleep(0.05)  # files edited a moment before the build are not remembered
    identity = identify(spec, ())

    def build():
        fast_path = FastPath(identity, (spec,), time.time_ns(), {})
        return toys.build(graph, finishers=(manifest_writer(project),), fast_path=fast_path)

    build()
    assert find_up_to_date(toys.store.root, identity) is not None
    (toys.out / "build.json").unlink()
    assert find_up_to_date(toys.store.root, identity) is None
    assert build().executed == ()
    assert (toys.out / "build.json").is_file()


def test_it_is_what_its_schema_says_after_reading_it_back(toys, source):
    manifest = build_locked(toys, toys.fan(source))
    document = json.loads((toys.out / "build.json").read_text())
    assert Manifest.model_validate(document) == manifest
    assert json_text(document) == (toys.out / "build.json").read_text()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not a build.json"),
        ("[1, 2]", "it has no `format`"),
        ('{"event": 1}', "it has no `format`"),
        ('{"format": 7}', "format 7, this i2v3d reads 1"),
        ('{"format": 1, "scene": "x"}', "i2v3d: Field required"),
    ],
)
def test_a_foreign_file_is_refused_with_what_is_wrong(tmp_path, text, why):
    (tmp_path / "build.json").write_text(text)
    with pytest.raises(UsageError, match=r"build\.json: not a build") as found:
        read_manifest(tmp_path / "build.json")
    assert why in found.value.message


def test_long_values_are_broken_into_lines_and_short_ones_are_not():
    document = {"short": {"a": [1, 2]}, "long": ["x" * 100, "y" * 100], "empty": {}}
    text = json_text(document)
    assert '"short": {"a": [1, 2]},\n' in text
    assert json.loads(text) == document
    assert max(map(len, text.splitlines())) <= 180


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub's cache with fake weights, the safetensors of SDXL's UNet a link to a blob."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    fill_fake_cache()
    model = find_model("sdxl")
    file = repository_folder(model.repo) / "snapshots" / model.revision / "unet" / "x.safetensors"
    blob = repository_folder(model.repo) / "blobs" / ("ab" * 32)
    blob.parent.mkdir()
    blob.write_bytes(b"weights")
    file.symlink_to(os.path.relpath(blob, file.parent))
    return file


def test_weights_are_named_by_commit_licence_and_the_digests_that_the_hub_keeps(tmp_path, hub):
    project = rocket_project(tmp_path, profile="paper")
    entries = {
        one.role: one for one in model_entries(project.weights, Resolver(project.graph, project.store), tmp_path)
    }
    sdxl = entries["sdxl"]
    assert (sdxl.repository, sdxl.revision) == (find_model("sdxl").repo, find_model("sdxl").revision)
    assert sdxl.files == {"unet/x.safetensors": "ab" * 32}
    assert "RAIL" in sdxl.licence
    assert entries["svd"].commercial_use is False


def test_other_weight_files_of_the_same_commit_are_a_drift(tmp_path, hub, toys, source):
    project = rocket_project(tmp_path, profile="paper")
    resolver = Resolver(project.graph, project.store)
    before = model_entries(project.weights, resolver, tmp_path)
    lock = build_locked(toys, toys.chain(source)).model_copy(update={"models": before})
    assert drift_of_models(before, lock, ["sdxl"]) == ()
    hub.unlink()
    hub.symlink_to(Path("..", "..", "..", "blobs", "cd" * 32))
    now = model_entries(project.weights, resolver, tmp_path)
    assert drift_of_models(now, lock, ["sdxl"]) == (f"weights of sdxl: unet/x.safetensors {'ab' * 6} -> {'cd' * 6}",)


def test_what_cant_be_written_is_a_warning_and_fails_no_build(toys, source):
    project = rocket_project(toys.folder)
    (toys.out / "build.json").mkdir(parents=True)
    with pytest.warns(UserWarning, match="build.json: not written"):
        toys.build(toys.chain(source), finishers=(manifest_writer(project),))


def test_a_part_of_a_build_leaves_the_manifest_of_the_whole_alone(tmp_path):
    project = rocket_project(tmp_path, out=tmp_path / "out")
    part = replace(project, options=replace(project.options, until="prepare"))
    result = part.build(lambda event: None)
    assert result.is_success
    assert not (tmp_path / "out" / "build.json").exists()


def test_the_schema_file_is_what_the_model_says_and_describes_every_field():
    assert (schemas_dir() / SCHEMA_FILE).read_text(encoding="utf-8") == schema_text(), (
        "run: python -m i2v3d.plan.manifest"
    )
    schema = json.loads(schema_text())
    for part in (schema, *schema["$defs"].values()):
        assert part["additionalProperties"] is False
        assert all(field.get("description") for field in part["properties"].values()), part["title"]
