"""Reports of the comparison: a table on the terminal, Markdown, JSON and a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from bench.papertables.tables import markdown
from bench.peers.machine import Machine
from bench.peers.measure import PeerResult
from bench.runners import SIDE_PX
from bench.timing import Spread, Turns
from models.report.plots import bar_plot, scatter_plot

BLOCK_COLUMNS = (
    "256×256, one core",
    "MMAC",
    "median ms",
    "p10",
    "p90",
    "p99 / p50",
    "times faster",
    "GMAC/s",
    "share of the peak",
    "outside the network",
)
FRAME_COLUMNS = ("clean frame", "median ms", "p10", "p90", "ms per megapixel", "against 256×256")
TITLE = "# Comparison table\n\n![Milliseconds per frame of every candidate](plot.svg)\n"
NOTE = (
    "'Times faster' is the ratio of the first row's median to that of the row. The peak is that "
    "of ONNX Runtime's matrix product in the row's arithmetic. By default OpenVINO computes a "
    "float network in bfloat16 where the processor can, so it has no share of the peak. A matrix "
    "product cannot use the short cuts of a convolution (Winograd), so a share can be above "
    "100 %. 'Outside the network' is the share of a chain's median that its network alone does "
    "not take."
)


def tables(result: PeerResult) -> tuple[Table, Table]:
    """Return the tables for the terminal: one block, then the chain on larger frames."""
    return (
        _table(BLOCK_COLUMNS, _block_rows(result)),
        _table(FRAME_COLUMNS, _frame_rows(result)),
    )


def not_timed(result: PeerResult) -> str:
    """Return a line for each candidate that did not run, with the reason."""
    return "".join(f"- {row.name}: {row.absent}\n" for row in result.rows if row.absent)


def about(machine: Machine, result: PeerResult, turns: Turns, command: str) -> str:
    """Return a paragraph with the machine, the libraries, the turns and the command."""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    peaks = " and ".join(
        f"{peak:.0f} GMAC/s in {precision}" for precision, peak in result.peaks_gmac_s.items()
    )
    instructions = f" ({', '.join(machine.instructions)})" if machine.instructions else ""
    return (
        f"Command: `{command}`. Machine: {machine.cpu}{instructions}, core {machine.core} of "
        f"{machine.cores}, {machine.kernel}, Python {machine.python}, {versions}. Peak of the "
        f"core: {peaks}. Date: {machine.date}. Each candidate had {turns.rounds} rounds of up to "
        f"{turns.repeat} runs in a row; {turns.settle} runs before them are not counted."
    )


def write(
    folder: Path, machine: Machine, result: PeerResult, turns: Turns, command: str
) -> tuple[Path, ...]:
    """Write table.md, results.json and plot.svg to an existing folder, and return their paths."""
    parts = [
        TITLE,
        about(machine, result, turns, command),
        markdown(BLOCK_COLUMNS, _block_rows(result)),
    ]
    if frames := _frame_rows(result):
        parts.append(markdown(FRAME_COLUMNS, frames))
    if absent := not_timed(result):
        parts.append(f"Not timed here:\n\n{absent}")
    document = {
        "command": command,
        "machine": asdict(machine),
        "turns": asdict(turns),
        **asdict(result),
    }
    written = {
        "table.md": "\n".join([*(part.rstrip("\n") + "\n" for part in parts), NOTE]) + "\n",
        "results.json": json.dumps(document, indent=1, ensure_ascii=False) + "\n",
        "plot.svg": plot(result),
    }
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    return tuple(folder / name for name in written)


def plot(result: PeerResult) -> str:
    """Return an SVG plot of the milliseconds of every candidate on one block, slowest first."""
    timed = [
        (row.name, row.spread) for row in result.rows if row.spread and row.against_block is None
    ]
    timed.sort(key=lambda each: -each[1].median_ms)
    return bar_plot(
        [name for name, _ in timed],
        [spread.median_ms for _, spread in timed],
        low=[spread.p10_ms for _, spread in timed],
        high=[spread.p90_ms for _, spread in timed],
        marked=[", whole chain, " in name for name, _ in timed],
        title=f"{SIDE_PX}×{SIDE_PX}, one core: median, p10 to p90",
        x_label="ms per frame",
        x_log=True,
    )


def write_front(folder: Path, methods: Mapping[str, tuple[float, float]]) -> Path:
    """Write pareto.svg: the published AUROC over the time, and return its path.

    methods: ms of the fastest engine and AUROC, by name.
    """
    text = scatter_plot(
        [(name, ms, auroc) for name, (ms, auroc) in methods.items()],
        title=f"{SIDE_PX}×{SIDE_PX}, one core, fastest engine; AUROC as published, MVTec AD",
        x_label="ms per frame",
        y_label="AUROC",
        x_log=True,
        front=True,
    )
    path = folder / "pareto.svg"
    path.write_text(text, encoding="utf-8")
    return path


def _block_rows(result: PeerResult) -> list[Sequence[str]]:
    return [
        [
            row.name,
            _number(row.mmac, 0),
            *_spread(row.spread),
            f"{row.spread.p99_ms / row.spread.median_ms:.2f}",
            _number(row.times_faster, 1),
            _number(row.gmac_s, 0),
            _percent(row.share_of_peak),
            _percent(row.outside_network),
        ]
        for row in result.rows
        if row.spread and row.against_block is None
    ]


def _frame_rows(result: PeerResult) -> list[Sequence[str]]:
    return [
        [
            row.name,
            *_spread(row.spread),
            _number(row.ms_per_megapixel, 1),
            _number(row.against_block, 2),
        ]
        for row in result.rows
        if row.spread and row.against_block is not None
    ]


def _table(columns: Sequence[str], rows: list[Sequence[str]]) -> Table:
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=not number)
    for cells in rows:
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _spread(spread: Spread) -> list[str]:
    return [_milliseconds(each) for each in (spread.median_ms, spread.p10_ms, spread.p90_ms)]


def _milliseconds(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.0f} %"
