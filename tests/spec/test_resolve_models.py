"""`models:` in a spec: repositories become commits, folders stay folders."""

import pytest

from i2v3d.backends.weights import find_model, repository_folder
from i2v3d.errors import SpecError
from i2v3d.spec import load_scene
from tests.fake_weights import COMMIT, fill_fake_cache, write_fake
from tests.spec.project import make_project


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def load(tmp_path):
    folder = make_project(tmp_path / "project")

    def load(models=""):
        text = f"source: photo.jpg\nobjects: {{rocket: {{segment: [0.1, 0.1, 0.5, 0.5]}}}}\n{models}"
        (folder / "scene.yaml").write_text(text)
        return load_scene(folder)

    load.folder = folder
    return load


def test_a_repository_without_a_commit_is_the_newest_that_is_here_and_its_reference_is_watched(load):
    assert load().scene.generation.model("svd_controlnet_depth").revision == ""
    fill_fake_cache()
    loaded = load()
    assert loaded.scene.generation.model("svd_controlnet_depth").revision == COMMIT
    assert repository_folder(find_model("svd_controlnet_depth").repo) / "refs" / "main" in loaded.files


def test_a_pinned_repository_stays_at_its_commit(load):
    fill_fake_cache()
    assert load().scene.generation.model("sdxl").revision == find_model("sdxl").revision


def test_a_branch_that_the_spec_names_is_resolved(load):
    fill_fake_cache(commit="a" * 40)
    loaded = load(f"models: {{sdxl: {find_model('sdxl').repo}@main}}")
    assert loaded.scene.generation.model("sdxl").revision == "a" * 40


def test_a_folder_with_an_autoencoder_serves_for_both(load):
    write_fake(load.folder / "xl", "sdxl")
    assert load("models: {sdxl: ./xl}").scene.generation.model("sdxl_vae").folder is None
    vae = write_fake(load.folder / "xl" / "vae", "sdxl_vae")
    generation = load("models: {sdxl: ./xl}").scene.generation
    assert generation.model("sdxl").folder == load.folder / "xl"
    assert generation.model("sdxl_vae").folder == vae
    repo = find_model("sdxl_vae").repo
    named = load(f"models: {{sdxl: ./xl, sdxl_vae: {repo}}}").scene.generation.model("sdxl_vae")
    assert (named.folder, named.repo) == (None, repo)


def test_a_folder_that_is_not_there_is_told(load):
    with pytest.raises(SpecError, match="there is no folder"):
        load("models: {sdxl: ./weights}")
