"""Figures as SVG strings: well-formed, equal from run to run, and nothing that breaks a page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib")

import matplotlib

from models.report.plots import Series, bar_plot, heat_table, line_plot, pareto_front, scatter_plot

ROOT = Path(__file__).resolve().parents[3]
LABELS = {"title": "A title", "x_label": "across", "y_label": "up"}
NAN = float("nan")


def texts(svg: str) -> list[str]:
    """Every text of a document that must parse as XML."""
    root = ElementTree.fromstring(svg)
    return [
        "".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")
    ]


def count(svg: str, prefix: str) -> int:
    root = ElementTree.fromstring(svg)
    return sum(element.get("id", "").startswith(prefix) for element in root.iter())


def test_lines_are_named_and_the_document_can_stand_in_a_page() -> None:
    series = [Series("a <b> $x$", [0, 1, 2], [0.1, NAN, 0.3]), Series("other", [0, 2], [0, 1])]
    svg = line_plot(series, **LABELS)
    assert svg.startswith('<svg role="img" aria-label="A title"')
    assert 'width="420pt" height="255pt"' in svg  # 560 × 340 px of a page
    assert {"A title", "across", "up", "a <b> $x$", "other"} <= set(texts(svg))
    assert "<style" in svg
    assert ">*{" not in svg  # a page's other elements are left alone
    assert "<metadata" not in svg


def test_a_single_nameless_line_has_no_legend() -> None:
    assert count(line_plot([Series("", [0, 1], [0, 1])], **LABELS), "legend") == 0
    assert count(line_plot([Series("n", [0, 1], [0, 1])], **LABELS), "legend") == 1


def test_every_option_of_a_line_plot_shows() -> None:
    plain = Series("s", [1, 10, 100], [1, 2, 3])
    first = line_plot([plain], **LABELS)
    banded = Series("s", [1, 10, 100], [1, 2, 3], low=[0, 1, 2], high=[2, 3, 4])
    assert count(line_plot([banded], **LABELS), "FillBetween") == 1 + count(first, "FillBetween")
    marked = Series("s", [1, 10, 100], [1, 2, 3], marker=True)
    assert line_plot([marked], **LABELS).count("<use") > first.count("<use")
    assert "50" in texts(line_plot([plain], **LABELS, x_log=True))
    assert "2" in texts(line_plot([plain], **LABELS, y_log=True))
    assert "2" not in texts(first)
    assert "10" in texts(line_plot([plain], **LABELS, y_limits=(0, 10)))
    assert count(line_plot([plain], **LABELS, vertical=4.5), "line2d") == 1 + count(first, "line2d")


def test_series_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="'s' has 2 x and 1 y"):
        line_plot([Series("s", [0, 1], [0])], **LABELS)
    with pytest.raises(ValueError, match="band"):
        line_plot([Series("s", [0, 1], [0, 1], low=[0], high=[1])], **LABELS)


def test_points_are_named_and_those_not_finite_left_out() -> None:
    points = [("quick", 1.0, 0.2), ("good", 9.0, 0.9), ("bad", 9.5, 0.1), ("none", NAN, 0.5)]
    svg = scatter_plot(points, **LABELS)
    assert {"quick", "good", "bad"} <= set(texts(svg))
    assert "none" not in texts(svg)
    zero = [*points, ("zero", 0.0, 0.5)]
    assert "zero" in texts(scatter_plot(zero, **LABELS))
    assert "zero" not in texts(scatter_plot(zero, **LABELS, x_log=True))
    assert scatter_plot(points, **LABELS, front=True).count("stroke-dasharray") > svg.count(
        "stroke-dasharray"
    )


def test_nothing_to_draw_is_an_empty_figure() -> None:
    for svg in (
        line_plot([], **LABELS, x_log=True, y_log=True),
        line_plot([Series("s", [], [])], **LABELS),
        scatter_plot([], **LABELS, x_log=True, front=True),
        heat_table([], [], np.zeros((0, 0))),
    ):
        ElementTree.fromstring(svg)


def test_front_worked_out_by_hand() -> None:
    points = [(2.0, 5.0), (1.0, 2.0), (3.0, 5.0), (2.0, 4.0), (9.0, 9.0), (1.0, 2.0)]
    assert pareto_front(points) == (1, 5, 0, 4)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_front_by_its_definition(points: list[tuple[int, int]]) -> None:
    beaten = {
        i
        for i, (x, y) in enumerate(points)
        if any(a <= x and b >= y and (a, b) != (x, y) for a, b in points)
    }
    assert set(pareto_front(points)) == set(range(len(points))) - beaten


def test_a_table_shows_counts_shares_and_gaps() -> None:
    whole = texts(heat_table(["crack"], ["crack", "not found"], np.array([[3, 12]])))
    assert whole == ["crack", "not found", "crack", "3", "12"]
    assert {"0.25", "–"} <= set(texts(heat_table(["a"], ["b", "c"], np.array([[0.25, NAN]]))))
    with pytest.raises(ValueError, match=r"\(1, 2\)"):
        heat_table(["a"], ["b", "c"], np.zeros((2, 2)))


def test_same_input_same_bytes_in_another_process_and_whatever_the_settings() -> None:
    code = (
        "from models.report.plots import Series, line_plot; import sys;"
        "sys.stdout.write(line_plot([Series('s', [0, 1], [0, 1], [0, 0], [1, 1], True)],"
        "title='t', x_label='x', y_label='y', vertical=0.5))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    series = [Series("s", [0, 1], [0, 1], [0, 0], [1, 1], True)]
    with matplotlib.rc_context({"font.size": 20.0}):
        here = line_plot(series, title="t", x_label="x", y_label="y", vertical=0.5)
        assert matplotlib.rcParams["font.size"] == 20.0
    assert here == done.stdout


def test_bars_are_named_valued_and_whiskered() -> None:
    def draw(high: float = 3.0, marked: bool = False, x_log: bool = True) -> str:
        return bar_plot(
            ["slow", "fast <1>"],
            [2.0, 0.25],
            low=[1.0, 0.2],
            high=[high, 0.3],
            marked=[marked, False],
            title="A title",
            x_label="ms",
            x_log=x_log,
        )

    svg = draw()
    assert {"A title", "ms", "slow", "fast <1>", "2", "0.25"} <= set(texts(svg))
    assert svg.count("#d55e00") == 0
    assert draw(marked=True).count("#d55e00") == 1
    assert draw(x_log=False) != svg
    assert draw(high=2.5) != svg
    assert draw() == svg


def test_bars_of_different_numbers_are_refused() -> None:
    columns = {"low": [1.0], "high": [1.0], "marked": [False], "title": "t", "x_label": "x"}
    with pytest.raises(ValueError, match=r"1 names have \[2, 1, 1, 1\] values"):
        bar_plot(["a"], [1.0, 2.0], **columns)
    assert "ms" in bar_plot([], [], low=[], high=[], marked=[], title="t", x_label="ms", x_log=True)
