"""The highlighter of specs."""

from pathlib import Path

import pytest

from i2v3d.report.page.yaml_text import highlighted

SPECS = sorted((Path(__file__).resolve().parents[3] / "specs").glob("*/scene.yaml"))


def kinds(line):
    return [(token.kind, token.text) for token in highlighted(line)[0] if token.text.strip()]


@pytest.mark.parametrize("file", SPECS, ids=lambda file: file.parent.name)
def test_every_line_of_a_spec_comes_out_as_it_is(file):
    text = file.read_text(encoding="utf-8")
    assert ["".join(token.text for token in line) for line in highlighted(text)] == text.splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "   ",
        "{{{",
        "a: [1, 2",
        '"unfinished',
        "'",
        "\t- x: |",
        "key : value # c",
        "::",
        "- - -",
        "&a *b !c",
        "日本: 1",
    ],
)
def test_what_is_not_yaml_comes_out_as_it_is(line):
    assert ["".join(token.text for token in tokens) for tokens in highlighted(line)] == line.splitlines()


def test_keys_numbers_words_and_comments_are_told_apart():
    assert kinds("  fov: 40deg  # wide") == [
        ("key", "fov"),
        ("mark", ":"),
        ("number", "40deg"),
        ("comment", "# wide"),
    ]
    assert kinds("stands: false") == [("key", "stands"), ("mark", ":"), ("word", "false")]
    assert ("number", "-0.5e3") in kinds("x: [-0.5e3, .25, 50%]")


def test_words_inside_a_sentence_are_no_values():
    assert kinds("prompt: a rocket on pad 39") == [("key", "prompt"), ("mark", ":"), ("plain", " a rocket on pad 39")]


def test_a_block_of_text_is_text_until_it_ends():
    lines = highlighted("note: |\n  key: 1\n\n  # no comment\nnext: 2")
    assert [token.kind for token in lines[1]] == ["string"]
    assert [token.kind for token in lines[3]] == ["string"]
    assert lines[4][0].kind == "key"
