"""The tables of the counts, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from bench.arm.boards import BOARDS, CycleRate, PublishedCheck, estimate_ms
from bench.arm.cores import CORES
from bench.arm.figures import ArmFigures
from bench.arm.instructions import Family
from bench.papertables.tables import markdown

_SHOWN: tuple[tuple[str, tuple[Family, ...]], ...] = (
    ("dot product", ("dot",)),
    ("matrix", ("matrix",)),
    ("long multiply", ("long multiply",)),
    ("other multiply", ("multiply", "float multiply", "half multiply")),
    ("other vector", ("vector", "long add", "shift")),
    ("loads and stores", ("vector load", "vector store", "load", "store")),
    ("integer and branch", ("integer", "branch")),
)


def tables(
    figures: Sequence[ArmFigures], rates: dict[str, CycleRate], held: Sequence[PublishedCheck]
) -> str:
    """Return every table. rates: by core; held: published times beside their estimates."""
    parts = ["## Instructions per frame\n", _instructions(figures)]
    parts += ["## Which kernels run\n", _kernels(figures)]
    if held:
        parts += ["## Estimates beside published times\n", _checks(held)]
    if rates:
        parts += ["## Estimated times\n", _times(figures, rates)]
    return "\n".join(parts) + "\n"


def title_of(each: ArmFigures) -> str:
    """Return a workload in words."""
    if each.kind == "network":
        return f"{each.name}, {_engine(each)}"
    if each.kind == "chain":
        frame = "with defects" if each.defects else "without a defect"
        return f"chain of {each.name}, {_engine(each)}, {frame}"
    if each.kind == "event":
        return f"event of a part {'with' if each.defects else 'without'} defects"
    return f"{each.name}, ncnn"


def _engine(each: ArmFigures) -> str:
    return {"ort": "ONNX Runtime", "litert": "LiteRT"}.get(each.engine, each.engine)


def _instructions(figures: Sequence[ArmFigures]) -> str:
    """Return a row for each workload, in millions of instructions on each core."""
    cores = [name for name in CORES if any(each.core == name for each in figures)]
    rows: dict[str, dict[str, ArmFigures]] = {}
    for each in figures:
        if each.kind != "ncnn":
            rows.setdefault(title_of(each), {})[each.core] = each
    head = ("workload", "MMAC", *(CORES[name].title for name in cores))
    return markdown(
        head,
        [
            (
                title,
                next((f"{each.mmac:.0f}" for each in by_core.values() if each.mmac), "–"),
                *(
                    f"{by_core[name].instructions / 1e6:.3g}" if name in by_core else "–"
                    for name in cores
                ),
            )
            for title, by_core in rows.items()
        ],
    )


def _kernels(figures: Sequence[ArmFigures]) -> str:
    """Return the share of each family of instructions, for the networks.

    Cortex-A78AE is left out: its instructions are those of Cortex-A76.
    """
    head = ("network", "core", *(name for name, _ in _SHOWN), "MAC per instruction")
    rows = []
    for each in figures:
        if each.kind == "network" and each.families and each.core != "a78":
            total = sum(each.families.values())
            shares = (
                f"{sum(each.families.get(name, 0) for name in names) / total:.0%}"
                for _, names in _SHOWN
            )
            macs = "–" if each.mmac is None else f"{each.mmac * 1e6 / each.instructions:.1f}"
            rows.append((title_of(each), CORES[each.core].title, *shares, macs))
    return markdown(head, rows)


def _checks(held: Sequence[PublishedCheck]) -> str:
    head = ("network", "board", "million instructions", "million cycles at least")
    return markdown(
        (*head, "estimate, ms", "published, ms", "published for each estimated"),
        [
            (
                each.time.network,
                f"{each.time.board}, {each.time.ghz:g} GHz",
                f"{each.instructions / 1e6:.0f}",
                f"{each.cycles / 1e6:.0f}",
                f"{each.estimate_ms:.1f}",
                f"{each.time.ms:.1f}",
                f"{each.ratio:.2f}",
            )
            for each in held
        ],
    )


def _times(figures: Sequence[ArmFigures], rates: dict[str, CycleRate]) -> str:
    """Return the estimate of each workload on each board, in ms."""
    boards = [board for board in BOARDS if board.core in rates]
    rows: dict[str, dict[str, float]] = {}
    for each in figures:
        for board in boards:
            if each.core == board.core and each.kind != "ncnn":
                ms = estimate_ms(each, rates[board.core], board.ghz)
                rows.setdefault(title_of(each), {})[board.name] = ms
    head = (
        "workload",
        *(f"{each.title}, {each.ghz:g} GHz, ±{rates[each.core].error:.0%}" for each in boards),
    )
    return markdown(
        head,
        [
            (title, *(f"{of[each.name]:.2g}" if each.name in of else "–" for each in boards))
            for title, of in rows.items()
        ],
    )
