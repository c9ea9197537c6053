"""The data of charts that the browser draws, and the geometry of drawings that the server makes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from central.figures.charts import ShareChart
from central.store.evidence import Polygon
from central.store.queries import DefectSummary
from central.web.plant.figures import YieldPoint

_MARGIN = 0.15
_LEAST_PX = 64
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_HEADER_BYTES = 24
_MOST_PX = 1 << 20


class LineSeries(TypedDict):
    """One line of a chart. kind: line, limit, centre, band or outside."""

    label: str
    kind: str
    values: list[float | None]


class LineChart(TypedDict):
    """A chart over time. times: seconds since 1970 UTC, ascending; values: percent."""

    times: list[float]
    series: list[LineSeries]


@dataclass(frozen=True, slots=True)
class DefectDrawing:
    """The place of defects, as the view box of an SVG drawing in pixels of the frame."""

    left: int
    top: int
    width: int
    height: int
    stroke: float


def yield_chart(points: Sequence[YieldPoint]) -> LineChart:
    """Return the chart of the yield with its bounds."""

    def series(label: str, kind: str, values: list[float]) -> LineSeries:
        return {"label": label, "kind": kind, "values": [100 * each for each in values]}

    return {
        "times": [each.at_us / 1e6 for each in points],
        "series": [
            series("yield", "line", [each.bounds.rate for each in points]),
            series("lower bound", "band", [each.bounds.lower for each in points]),
            series("upper bound", "band", [each.bounds.upper for each in points]),
        ],
    }


def reject_chart(charts: Sequence[ShareChart]) -> LineChart:
    """Return the chart of rejected parts. The limits have a gap between two stages."""
    times: list[float] = []
    rows: list[list[float | None]] = [[] for _ in range(6)]
    for chart in charts:
        if times and chart.points:
            times.append(times[-1] + 1e-3)
            for row in rows:
                row.append(None)
        for each in chart.points:
            at_s = each.group.at_us / 1e6
            times.append(at_s if not times or at_s > times[-1] else times[-1] + 1e-3)
            share = 100 * each.group.share
            shown = (
                share,
                share if each.is_outside else None,
                100 * each.centre,
                100 * each.laney_lower,
                100 * each.laney_upper,
                100 * each.upper,
            )
            for row, value in zip(rows, shown, strict=True):
                row.append(value)
    labels = (
        ("rejected", "line"),
        ("outside", "outside"),
        ("centre", "centre"),
        ("lower limit p′", "limit"),
        ("upper limit p′", "limit"),
        ("upper limit p", "band"),
    )
    return {
        "times": times,
        "series": [
            {"label": label, "kind": kind, "values": row}
            for (label, kind), row in zip(labels, rows, strict=True)
        ],
    }


def draw_defects(defects: Sequence[DefectSummary]) -> DefectDrawing | None:
    """Return the view of the boxes of defects; None where no box has a plausible place."""
    corners = [polygon[2] for polygon in boxes_of(defects)]
    if not corners:
        return None
    right = max(corner[0] for corner in corners)
    bottom = max(corner[1] for corner in corners)
    width = max(_LEAST_PX, round(right * (1 + _MARGIN)))
    height = max(_LEAST_PX, round(bottom * (1 + _MARGIN)))
    return DefectDrawing(0, 0, width, height, max(width, height) / 200)


def boxes_of(defects: Sequence[DefectSummary]) -> tuple[Polygon, ...]:
    """Return the boxes of defects with a plausible place as polygons; the third point is the lower
    right corner."""
    return tuple(
        (
            (each.left, each.top),
            (each.right, each.top),
            (each.right, each.bottom),
            (each.left, each.bottom),
        )
        for each in defects
        if 0 <= each.left < each.right <= _MOST_PX and 0 <= each.top < each.bottom <= _MOST_PX
    )


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture of a part. index: its place among the pictures of the part."""

    index: int
    width: int
    height: int


def shown_pictures(paths: Sequence[Path]) -> tuple[ShownPicture, ...]:
    """Return the pictures with the sizes in their headers. A damaged one is left out. Blocks."""
    shown = []
    for index, path in enumerate(paths):
        try:
            with path.open("rb") as file:
                head = file.read(_HEADER_BYTES)
        except OSError:
            continue
        if len(head) == _HEADER_BYTES and head.startswith(_PNG):
            width, height = struct.unpack(">II", head[16:])
            if 0 < width <= _MOST_PX and 0 < height <= _MOST_PX:
                shown.append(ShownPicture(index, width, height))
    return tuple(shown)
