import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from project import make_project

from i2v3d.errors import SpecError
from i2v3d.spec import load_scene

HEAD = "source: photo.jpg\nobjects:\n  rocket: {segment: {box: [0.2, 0.2, 0.5, 0.9]}}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("expect") / "project")


def load(project, text):
    (project / "scene.yaml").write_text(HEAD + text)
    return load_scene(project)


def test_bounds_are_resolved_with_their_place(project):
    loaded = load(
        project,
        'expect:\n  ssim_to_render: ">= 0.70"\n  silhouette_iou[rocket]: "> .9"\n  camera_path: {inside: scene}\n'
        "  findings: none\n",
    )
    expect = loaded.scene.expect
    assert [(one.metric, one.relation, one.limit) for one in expect.bounds] == [
        ("ssim_to_render", ">=", 0.7),
        ("silhouette_iou[rocket]", ">", 0.9),
    ]
    assert [loaded.position(one.spec_path)[1:] for one in expect.bounds] == [(5, 19), (6, 27)]
    assert expect.is_camera_inside
    assert expect.has_no_findings
    assert loaded.unavailable == ()


def test_without_the_section_nothing_is_expected(project):
    expect = load(project, "").scene.expect
    assert (expect.bounds, expect.is_camera_inside, expect.has_no_findings) == ((), False, False)


@pytest.mark.parametrize(
    ("relation", "holds"),
    [
        (">=", (False, True, True)),
        (">", (False, False, True)),
        ("<=", (True, True, False)),
        ("<", (True, False, False)),
    ],
)
def test_a_bound_holds_as_written(project, relation, holds):
    (bound,) = load(project, f'expect: {{warp_error: "{relation} 2"}}\n').scene.expect.bounds
    assert tuple(bound.holds(value) for value in (1.9, 2.0, 2.1)) == holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('expect:\n  silhouette_iou[rokcet]: ">= 0.9"\n', "there is no object `rokcet`; did you mean `rocket`?"),
        (
            'expect:\n  silhouete_iou[rocket]: ">= 0.9"\n',
            "unknown metric `silhouete_iou[rocket]`; did you mean `silhouette_iou`?",
        ),
        ('expect: {ssim_to_render: "0.7"}\n', '`0.7` is not a bound; for example `">= 0.70"`'),
        ('expect: {ssim_to_render: ">= 0.7.1"}\n', "`>= 0.7.1` is not a bound"),
        ("expect: {camera_path: {inside: room}}\n", "`room`"),
        ("expect: {findings: some}\n", "`some`"),
    ],
)
def test_what_can_not_be_expected_is_told_with_its_place(project, text, message):
    with pytest.raises(SpecError) as caught:
        load(project, text)
    (problem,) = caught.value.problems
    assert problem.line >= 4
    assert message in str(problem)
