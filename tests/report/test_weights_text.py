"""What is printed of weights and their licences."""

from pathlib import Path

from i2v3d.backends.inventory import FoundWeights
from i2v3d.backends.weights import MODELS
from i2v3d.report.weights_text import licence_notes, weights_text
from i2v3d.spec.resolved_generation import ModelChoice


def weights(role, *, is_here, folder=None, repo=None):
    model = next(model for model in MODELS if model.role == role)
    choice = ModelChoice(role, "" if folder else repo or model.repo, "" if folder else "0" * 40, folder)
    return FoundWeights(choice, Path("/somewhere") if is_here else None, "" if is_here else "missing")


def test_each_role_has_a_line_with_its_source_state_and_licence():
    lines = weights_text([weights("sdxl", is_here=True), weights("svd", is_here=False)]).splitlines()
    assert lines[1].split()[:3] == ["sdxl", "stabilityai/stable-diffusion-xl-base-1.0@000000000000", "here"]
    assert "to download: 4.5 GB" in lines[2]
    assert lines[3] == "to download in all: 4.5 GB"


def test_of_a_users_folder_nothing_is_claimed():
    line = weights_text([weights("svd", is_here=True, folder=Path("/mine/svd"))]).splitlines()[1]
    assert "svd/" in line
    assert "commercial use: not known" in line
    other = weights_text([weights("sdxl", is_here=False, repo="a/b")]).splitlines()[1]
    assert "MISSING" in other
    assert "not known" in other


def test_only_licences_that_bind_are_noted():
    every = [weights(model.role, is_here=True) for model in MODELS]
    assert [note.split("(")[1].split(")")[0] for note in licence_notes(every)] == ["svd", "svd_controlnet_depth"]
