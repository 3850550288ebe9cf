"""Values as lines."""

import pytest

from i2v3d.artifacts.metrics import ClipMetrics, Measured
from i2v3d.report.page.plots import HEIGHT, WIDTH, metric_rows, number_text, plot


def points(line):
    return [tuple(map(float, point.split(","))) for point in line.split()]


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right():
    drawn = plot([0.0, 1.0, 2.0])
    (line,) = drawn.lines
    (x0, y0), (x1, y1), (x2, y2) = points(line)
    assert (x0, x1, x2) == (0, WIDTH / 2, WIDTH)
    assert HEIGHT > y0 > y1 > y2 > 0
    assert (drawn.low, drawn.high) == (0, 2)


def test_a_gap_parts_the_line_and_a_value_alone_is_a_dot():
    drawn = plot([1.0, 2.0, None, 3.0, None, 2.0, 2.5])
    assert [len(points(line)) for line in drawn.lines] == [2, 2]
    assert [x for x, _ in drawn.dots] == [WIDTH / 2]


@pytest.mark.parametrize("values", [[5.0] * 4, [0.0] * 4, [None] * 4, [1.0], [], [1e300, 1.0], [1e-12, 2e-12]])
def test_any_values_stay_inside_the_plot(values):
    drawn = plot(values)
    for line in drawn.lines:
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points(line))


def test_a_long_series_is_thinned_to_its_means():
    drawn = plot([float(index % 2) for index in range(24000)])
    (line,) = drawn.lines
    assert len(points(line)) <= 1200
    assert (drawn.low, drawn.high) == (0.5, 0.5)


def test_a_row_has_its_worst_frame_and_a_plot_where_there_is_one():
    metrics = ClipMetrics(
        3,
        24.0,
        {
            "ssim_to_render": Measured("ssim_to_render", 0.9, "higher", frames=(0.95, 0.8, 0.95)),
            "displacement[cup]": Measured("displacement[cup]", 1.5, "lower", "px"),
            "of_a_plug_in": Measured("of_a_plug_in", 2, "lower"),
        },
    )
    ssim, displacement, own = metric_rows(metrics)
    assert ssim.worst == (1, "0.8000")
    assert ssim.plot is not None
    assert (ssim.title, ssim.range) == ("SSIM to the render", ("0.8000", "0.9500"))
    assert (displacement.about, displacement.worst, displacement.plot) == ("cup", None, None)
    assert (own.title, own.value, own.explanation) == ("of_a_plug_in", "2.000", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1.000"), (0.98765, "0.9877"), (31.4159, "31.42"), (1234.5, "1234"), (2e-7, "2.00e-07")],
)
def test_numbers_have_the_digits_that_matter(value, text):
    assert number_text(value) == text
