"""Where weights are looked for, and what is said of those that are not there or not whole."""

import json

import pytest

from i2v3d.backends.catalog import BACKENDS
from i2v3d.backends.inventory import find_weights
from i2v3d.backends.weight_files import PARTS, parts_of
from i2v3d.backends.weights import (
    MODELS,
    commit_of,
    find_model,
    hub_cache,
    reference_file,
    repository_folder,
    snapshot_folder,
)
from i2v3d.errors import MissingBackendError
from i2v3d.spec.resolved_generation import ModelChoice
from tests.fake_weights import COMMIT, ROLES, fill_fake_cache, write_fake


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def published(role):
    model = find_model(role)
    return ModelChoice(role, model.repo, commit_of(model.repo, model.revision))


def test_both_tables_name_the_same_roles_and_parts():
    assert tuple(model.role for model in MODELS) == ROLES
    for model in MODELS:
        assert model.parts == tuple(part.name for part in parts_of(model.role) if part.name)
    assert {role for backend in BACKENDS for role in backend.models} <= set(ROLES)


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"HF_HUB_CACHE": "/a/hub", "HF_HOME": "/b"}, "/a/hub"),
        ({"HF_HOME": "/b"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
    ],
)
def test_the_cache_is_where_the_hubs_own_clients_have_it(monkeypatch, variables, place):
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(hub_cache()) == place


def test_a_branch_is_the_commit_that_was_fetched_last():
    fill_fake_cache()
    repo = find_model("svd").repo
    assert commit_of(repo, "") == commit_of(repo, "main") == COMMIT
    assert commit_of(repo, "f" * 40) == "f" * 40
    assert commit_of(repo, "v2") == "v2"
    assert commit_of("somebody/else", "") == ""
    assert reference_file(repo, "f" * 40) is None
    assert reference_file(repo, "") == repository_folder(repo) / "refs" / "main"


@pytest.mark.parametrize("content", [b"", b"main", b"\xff\xfe", b"../../../etc"])
def test_a_reference_that_holds_no_commit_is_none(content):
    fill_fake_cache()
    repo = find_model("svd").repo
    (repository_folder(repo) / "refs" / "main").write_bytes(content)
    assert commit_of(repo, "") == ""


def test_missing_weights_are_named_with_size_licence_and_the_command_that_gets_them():
    model = find_model("sdxl")
    with pytest.raises(MissingBackendError) as told:
        snapshot_folder("sdxl", model.repo, model.revision)
    assert "6.8 GB" in told.value.message
    assert model.licence in told.value.message
    assert told.value.hint.startswith(f"hf download {model.repo} --revision {model.revision} --include ")
    assert "sdxl: ./folder" in told.value.hint
    assert told.value.exit_code == 3


@pytest.mark.parametrize("revision", ["../../../outside", "main/../../../../outside", ".", "/outside"])
def test_no_revision_leads_out_of_the_cache(tmp_path, revision):
    fill_fake_cache()
    outside = write_fake(tmp_path / "outside", "svd")
    (outside / "main").write_text(COMMIT)
    repo = find_model("svd").repo
    assert commit_of(repo, revision) == revision
    with pytest.raises(MissingBackendError):
        snapshot_folder("svd", repo, revision)


def test_nothing_is_said_of_size_and_licence_of_weights_that_nobody_knows():
    with pytest.raises(MissingBackendError) as told:
        snapshot_folder("sdxl", "somebody/sdxl", "")
    assert "licence" not in told.value.message
    assert told.value.hint.startswith("hf download somebody/sdxl  #")


@pytest.mark.parametrize("role", ROLES)
def test_whole_weights_are_found(role):
    fill_fake_cache()
    (found,) = find_weights([published(role)])
    assert found.problem == ""
    assert found.folder is not None
    assert found.is_commercial is find_model(role).is_commercial


@pytest.mark.parametrize("part", [part for part in PARTS if part.name], ids=lambda part: f"{part.role}/{part.name}")
def test_each_part_that_is_missing_is_noticed(part):
    fill_fake_cache()
    (whole,) = find_weights([published(part.role)])
    (whole.folder / part.name / part.config).unlink()
    (found,) = find_weights([published(part.role)])
    assert found.folder is None
    assert f"`{part.name}/{part.config}`" in found.problem
    assert "hf download" in found.hint


def test_an_interrupted_download_is_told_as_one():
    fill_fake_cache(roles=("svd",))
    choice = published("svd")
    folder = repository_folder(choice.repo)
    (folder / "blobs").mkdir()
    (folder / "blobs" / "1234.incomplete").touch()
    assert find_weights([choice])[0].problem == ""
    # What is not fetched yet is a link to nothing in the snapshot.
    weights = folder / "snapshots" / choice.revision / "unet" / "diffusion_pytorch_model.fp16.safetensors"
    weights.unlink()
    weights.symlink_to(folder / "blobs" / "1234")
    (found,) = find_weights([choice])
    assert "its download was interrupted" in found.problem
    assert found.hint.startswith("go on with it: hf download")


def test_a_users_folder_of_another_model_is_told(tmp_path):
    folder = write_fake(tmp_path / "mine", "svd")
    (found,) = find_weights([ModelChoice("sdxl", "", "", folder)])
    assert "is no `sdxl`: its config names UNetSpatioTemporalConditionModel" in found.problem
    assert found.source == "mine/"
    assert found.is_commercial is None


def test_a_controlnet_that_does_not_fit_is_told(tmp_path):
    folders = {role: write_fake(tmp_path / role, role) for role in ("sdxl", "controlnet_depth")}
    for file, channels in (
        (folders["sdxl"] / "unet" / "config.json", 64),
        (folders["controlnet_depth"] / "config.json", 32),
    ):
        file.write_text(json.dumps({**json.loads(file.read_text()), "block_out_channels": [channels]}))
    base, controlnet = find_weights(ModelChoice(role, "", "", folder) for role, folder in folders.items())
    assert base.problem == ""
    assert "does not fit the UNet" in controlnet.problem


def test_a_controlnet_may_be_given_as_the_folder_of_its_repository_or_as_its_own(tmp_path):
    folder = write_fake(tmp_path / "repository", "svd_controlnet_depth")
    for given in (folder, folder / "controlnet"):
        assert find_weights([ModelChoice("svd_controlnet_depth", "", "", given)])[0].problem == ""
