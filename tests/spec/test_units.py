"""Quantities: what is read, what is refused, and that writing and reading are inverse."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2v3d.spec.units import ANGLE, LENGTH, MASS, SHARE, TIME, Moment, Row, UnitError, parse_moment, parse_row

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
POSITIVE = st.floats(min_value=0, max_value=1e9, allow_nan=False)


@pytest.mark.parametrize(
    ("dimension", "text", "value"),
    [
        (LENGTH, "1.2m", 1.2),
        (LENGTH, " 12 cm ", 0.12),
        (LENGTH, 3, 3.0),
        (LENGTH, "-4e2mm", -0.4),
        (ANGLE, "180deg", math.pi),
        (ANGLE, 90, math.pi / 2),
        (ANGLE, "1rad", 1.0),
        (TIME, "500ms", 0.5),
        (MASS, "2t", 2000.0),
        (SHARE, "35%", 0.35),
        (SHARE, 0.35, 0.35),
    ],
)
def test_a_quantity_is_read_in_its_base_unit(dimension, text, value):
    assert dimension.parse(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("value", [True, None, "", "m", "1.2.3m", "--1m", [1], {}, "1m 2m", "inf", "nan", float("nan")])
def test_what_is_no_quantity_is_refused(value):
    with pytest.raises(UnitError):
        LENGTH.parse(value)


@given(FINITE)
def test_a_written_length_reads_back_exactly(value):
    assert LENGTH.parse(LENGTH.format(value)) == value


@given(FINITE)
def test_a_written_angle_reads_back_exactly(value):
    assert ANGLE.parse(ANGLE.format(value)) == value


@given(POSITIVE, st.sampled_from(["frame", "s"]))
def test_a_written_moment_reads_back_exactly(value, unit):
    moment = Moment(value, unit)
    assert parse_moment(moment.as_written()) == moment


@given(st.floats(min_value=0, max_value=1))
def test_a_written_share_of_the_clip_reads_back(value):
    again = parse_moment(Moment(value, "share").as_written())
    assert again.unit == "share"
    assert again.value == pytest.approx(value, rel=1e-12, abs=1e-300)


@given(st.text(max_size=20))
def test_any_text_is_a_moment_or_a_clear_error(text):
    try:
        assert parse_moment(text).value >= 0
    except UnitError as error:
        assert error.message
        assert error.hint


@pytest.mark.parametrize(
    ("written", "frame"),
    [(12, 12.0), ("12", 12.0), ("12f", 12.0), ("0.5s", 12.0), ("500ms", 12.0), ("50%", 30.0), ("0s", 0.0), (0.5, 0.5)],
)
def test_times_become_frames(written, frame):
    assert parse_moment(written).to_frame(24, 60) == pytest.approx(frame)


@pytest.mark.parametrize(
    ("written", "row"),
    [("92%", Row(0.92, "share")), (0.92, Row(0.92, "share")), ("410px", Row(410, "px")), (410, Row(410, "px"))],
)
def test_rows_are_shares_or_pixels(written, row):
    assert parse_row(written) == row


def test_pixel_rows_scale_with_the_photo_and_shares_with_the_result():
    assert Row(200, "px").to_px(original=400, prepared=600) == 300
    assert Row(0.5, "share").to_px(original=400, prepared=600) == 300
