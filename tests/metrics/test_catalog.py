from i2v3d.metrics.catalog import KINDS, kind_of
from i2v3d.spec.model.generation import METRICS
from tests.metrics import clips


def test_what_a_spec_may_expect_is_what_can_be_measured():
    assert sorted(METRICS) == sorted(KINDS)


def test_a_metric_of_one_object_shares_the_entry():
    assert kind_of("silhouette_iou[rocket]") is KINDS["silhouette_iou"]
    assert kind_of("made_up") is None


def test_each_measured_value_has_the_unit_and_direction_of_the_table():
    for one in clips.measured(clips.drawn()).measured.values():
        kind = kind_of(one.name)
        assert (one.unit, one.better) == (kind.unit, kind.better), one.name
