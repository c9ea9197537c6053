"""The plots of reports, as SVG strings for a file or for inline use.

Equal input gives equal bytes: ids are fixed, there is no date, and the user's matplotlibrc is
ignored. Text stays text. No display is used, and no global figure remains. Functions import
matplotlib, because that takes half a second and most commands draw nothing.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_PX, HEIGHT_PX = 560, 340
BARS_WIDTH_PX = 800  # half of it is their names
CSS_PX_PER_INCH = 96
_SMALL_PT = 10.5  # of a legend, and of names beside points
_CELL_PX = 100  # a column of a table, so that the names above do not touch
# The palette of Okabe & Ito, which colour-blind readers can distinguish. Line styles differ too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
STYLES = ("-", "--", "-.", ":")
_SETTINGS = {
    "svg.hashsalt": "outfeed",
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name may hold a dollar sign
    # 16 px at 560 px: on a phone, where the figure is 358 px wide, still 10 px.
    "font.size": 12.0,
    "axes.titlesize": 13.0,
    "legend.fontsize": _SMALL_PT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "axes.formatter.useoffset": False,
}


@dataclass(frozen=True)
class Series:
    """One line: y over x, with a gap where y is nan.

    low, high: a shaded band around the line, as long as y. marker: a dot at every point.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    marker: bool = False


def line_plot(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    y_limits: tuple[float, float] | None = None,
    x_log: bool = False,
    y_log: bool = False,
    vertical: float | None = None,
) -> str:
    """Return lines in one pair of axes: an SVG of WIDTH_PX × HEIGHT_PX without a prolog.

    vertical: an x that a vertical line marks. A logarithmic axis leaves out values that are not
    positive. Raises ValueError where the lengths of a series differ.
    """
    with _figure(title) as figure:
        axes = _axes(figure, title, x_label, y_label)
        for number, one in enumerate(series):
            colour = COLOURS[number % len(COLOURS)]
            x, y = _column(one.x), _column(one.y)
            if x.shape != y.shape:
                raise ValueError(f"series {one.name!r} has {len(x)} x and {len(y)} y")
            axes.plot(
                x,
                y,
                color=colour,
                linestyle=STYLES[number % len(STYLES)],
                marker="o" if one.marker else None,
                markersize=3.0,
                linewidth=1.4,
                label=one.name,
            )
            if one.low is not None and one.high is not None:
                low, high = _column(one.low), _column(one.high)
                if low.shape != x.shape or high.shape != x.shape:
                    raise ValueError(f"series {one.name!r} has a band that is not as long as its y")
                axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0.0)
        if vertical is not None:
            axes.axvline(vertical, color="#555555", linewidth=0.9, linestyle=":")
        _logarithmic(axes, x_log and _any_positive(one.x for one in series), "x")
        _logarithmic(axes, y_log and _any_positive(one.y for one in series), "y")
        if y_limits is not None:
            axes.set_ylim(*y_limits)
        if any(one.name for one in series):
            axes.legend(loc="best")
        return _svg(figure, title)


def scatter_plot(
    points: Sequence[tuple[str, float, float]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_log: bool = False,
    front: bool = False,
) -> str:
    """Return named points (name, x, y) as an SVG document.

    Points that are not finite are left out, and on a logarithmic axis those with x ≤ 0. front: draw
    ``pareto_front``.
    """
    shown = [
        (name, float(x), float(y))
        for name, x, y in points
        if math.isfinite(x) and math.isfinite(y) and not (x_log and x <= 0)
    ]
    with _figure(title) as figure:
        axes = _axes(figure, title, x_label, y_label)
        best = pareto_front([(x, y) for _, x, y in shown]) if front else ()
        if best:
            corner = [shown[i][1:] for i in best]
            axes.step(
                [x for x, _ in corner],
                [y for _, y in corner],
                where="post",
                color="#888888",
                linewidth=1.0,
                linestyle="--",
            )
        for number, (name, x, y) in enumerate(shown):
            colour = COLOURS[0] if number in best or not front else "#999999"
            axes.plot([x], [y], marker="o", markersize=4.5, color=colour, linestyle="none")
            axes.annotate(name, (x, y), (4, 4), textcoords="offset points", fontsize=_SMALL_PT)
        axes.margins(0.12)
        _logarithmic(axes, x_log and bool(shown), "x")
        return _svg(figure, title)


def bar_plot(
    names: Sequence[str],
    values: Sequence[float],
    *,
    low: Sequence[float],
    high: Sequence[float],
    marked: Sequence[bool],
    title: str,
    x_label: str,
    x_log: bool = False,
) -> str:
    """Return a bar for each name, the first on top, with a whisker from low to high and the value.

    Marked bars have another colour. The SVG is BARS_WIDTH_PX wide, and as high as its bars need.
    Raises ValueError where the lengths differ.
    """
    columns = (values, low, high, marked)
    if any(len(column) != len(names) for column in columns):
        raise ValueError(f"{len(names)} names have {[len(column) for column in columns]} values")
    height_px = 90 + 18 * max(len(names), 1)
    with _figure(title, height_px=height_px, width_px=BARS_WIDTH_PX) as figure:
        axes = _axes(figure, title, x_label, "")
        places = np.arange(len(names))
        x, reach = _column(values), np.array([_column(low), _column(high)])
        colours = [COLOURS[1] if each else COLOURS[0] for each in marked]
        axes.barh(
            places,
            x,
            height=0.7,
            color=colours,
            xerr=np.abs(reach - x),
            error_kw={"elinewidth": 0.9, "ecolor": "#333333"},
        )
        for place, value, top in zip(places, x, reach[1], strict=True):
            axes.annotate(
                f"{value:.3g}",
                (max(value, top), place),
                (4, 0),
                textcoords="offset points",
                fontsize=_SMALL_PT,
                va="center",
            )
        axes.set_yticks(places, list(names))
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.12)
        _logarithmic(axes, x_log and bool((x > 0).any()), "x")
        return _svg(figure, title)


def pareto_front(points: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """Return the points (x, y) that no other point dominates, by ascending x.

    A point dominates another where its x is not larger, its y is not smaller, and one of them
    differs. Equal points all remain.
    """
    front: list[int] = []
    best = -math.inf
    best_x = math.nan
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        x, y = points[i]
        if y > best or (y == best and x == best_x):
            front.append(i)
            best, best_x = y, x
    return tuple(front)


def heat_table(rows: Sequence[str], columns: Sequence[str], values: npt.NDArray[np.generic]) -> str:
    """Return a table of numbers, rows × columns, as an SVG document.

    The shade of a cell is its share of the sum of its row. A confusion matrix has annotated kinds
    as rows and reported kinds as columns. The SVG is WIDTH_PX wide, or wider where its columns need
    it. nan is a dash. Raises ValueError where the shape does not match the names.
    """
    if values.shape != (len(rows), len(columns)):
        raise ValueError(f"values are {values.shape}; expected {(len(rows), len(columns))}")
    numbers = np.asarray(values, np.float64)
    filled = np.where(np.isfinite(numbers), numbers, 0.0).clip(0.0)
    share = filled / np.maximum(filled.sum(1, keepdims=True), 1e-12)
    whole = bool(np.issubdtype(values.dtype, np.integer))
    title = "table of " + ", ".join(rows)
    width_px = max(WIDTH_PX, _CELL_PX * (len(columns) + 2))
    with _figure(title, height_px=60 + 32 * max(len(rows), 1), width_px=width_px) as figure:
        axes = figure.add_subplot()
        axes.grid(visible=False)
        if numbers.size:
            axes.pcolormesh(
                share, cmap="Blues", vmin=0.0, vmax=1.0, edgecolors="white", linewidth=1.0
            )
        for row, col in np.ndindex(numbers.shape):
            value = numbers[row, col]
            text = "–" if math.isnan(value) else f"{int(value)}" if whole else f"{value:.2f}"
            dark = "white" if share[row, col] > 0.55 else "black"
            axes.text(col + 0.5, row + 0.5, text, ha="center", va="center", color=dark)
        axes.set_xticks(np.arange(len(columns)) + 0.5, list(columns))
        axes.set_yticks(np.arange(len(rows)) + 0.5, list(rows))
        axes.set_xlim(0, max(len(columns), 1))
        axes.set_ylim(max(len(rows), 1), 0)
        axes.tick_params(length=0)
        axes.xaxis.tick_top()
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        return _svg(figure, title)


@contextmanager
def _figure(title: str, height_px: int = HEIGHT_PX, width_px: int = WIDTH_PX) -> Iterator[Figure]:
    """Yield a figure that is drawn with the settings of this module only."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        size = (width_px / CSS_PX_PER_INCH, height_px / CSS_PX_PER_INCH)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        yield figure


def _axes(figure: Figure, title: str, x_label: str, y_label: str) -> Axes:
    axes = figure.add_subplot()
    axes.set_title(title, loc="left")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_axisbelow(True)
    return axes


def _logarithmic(axes, wanted: bool, which: str) -> None:  # type: ignore[no-untyped-def]
    if not wanted:
        return
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    # Numbers, not powers: the usual formatter writes formulas, which are off here.
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _any_positive(columns: Iterator[Sequence[float]]) -> bool:
    return any(bool((_column(column) > 0).any()) for column in columns)


def _column(values: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.asarray(values, np.float64)


def _svg(figure: Figure, title: str) -> str:
    """Return the SVG with a name for screen readers, without prolog, doctype and metadata."""
    target = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(target, format="svg", metadata=nothing)
    # Put inline, a style of "*" would reach the whole page.
    text = target.getvalue().replace("*{stroke", "svg *{stroke", 1)
    start = text.index("<svg ")
    label = escape(re.sub(r"\s+", " ", title))
    return f'<svg role="img" aria-label="{label}" {text[start + 5 :]}'
