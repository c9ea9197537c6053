"""The tables of figures as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev

from bench.methods.changes import CHANGES, OCCLUSION
from bench.methods.figures import LIMIT, RUN_LIMITS, MethodFigures
from models.evaluation.interval import share_of

_HEAD = (
    *("data", "method", "image AP", "AUROC", "pixel F1", "mean IoU"),
    *(f"escapes at {LIMIT:.1%} false rejects", "training, s", "bundle, kB", "ms a frame"),
)


def data_label(data: str, seed: int | None) -> str:
    """Return the name of a data set in the tables, with its seed if there is one."""
    return data if seed is None else f"{data} #{seed}"


def tables(cells: Sequence[MethodFigures], left_out: Sequence[tuple[str, str, str]]) -> str:
    """Return all tables. left_out: data set, method and the reason without a measurement."""
    rows = [
        (
            *(data_label(each.data, each.seed), _method(each)),
            *(_figure(v) for v in (each.image_ap, each.image_auroc, each.pixel_f1, each.mean_iou)),
            *(share_of(each.escapes, each.defective), _figure(each.train_s, 0)),
            *(_figure(each.bundle_kb, 0), _figure(each.ms, 2)),
        )
        for each in cells
    ]
    lines = [*_table(_HEAD, rows), ""]
    if any(each.seed is not None for each in cells):
        head = ("data", "method", "seeds", "image AP", "AUROC", "pixel F1", "mean IoU", "escapes")
        lines += [
            "Over the seeds: mean ± standard deviation.",
            "",
            *_table(head, _means(cells)),
            "",
        ]
    changes = (*CHANGES, OCCLUSION)
    robust = [
        (
            data_label(each.data, each.seed),
            each.method,
            *(_percent(each.kept.get(name)) for name in changes),
        )
        for each in cells
        if each.kept
    ]
    lines += [
        "Share of verdicts that stay the same under a change of the picture. The last column is "
        "the share of good parts that are rejected when a dark patch lies on them.",
        "",
        *_table(("data", "method", *changes), robust),
    ]
    if left_out:
        lines += ["", *(f"- {data}, {method}: {reason}" for data, method, reason in left_out)]
    return "\n".join(lines) + "\n"


def _means(cells: Sequence[MethodFigures]) -> list[tuple[str, ...]]:
    groups: dict[tuple[str, str], list[MethodFigures]] = {}
    for each in cells:
        groups.setdefault((each.data, each.method), []).append(each)
    return [
        (
            *(*names, str(len(some))),
            *(
                _spread([getattr(each, figure) for each in some])
                for figure in ("image_ap", "image_auroc", "pixel_f1", "mean_iou")
            ),
            share_of(
                sum(each.escapes for each in some if each.escapes is not None),
                sum(each.defective for each in some if each.escapes is not None),
            ),
        )
        for names, some in groups.items()
    ]


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    return f"{mean(known):.3f}" + (f" ± {stdev(known):.3f}" if len(known) > 1 else "")


def _method(each: MethodFigures) -> str:
    if each.run_limit in (None, RUN_LIMITS[0]):
        return each.method
    return f"{each.method} (T at {each.run_limit:.0%} of good parts)"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'|'.join('---' for _ in head)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
