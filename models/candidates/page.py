"""OUT/report.html: the comparison as one self-contained page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from edge.bundle.kinds import DetectorKind
from edge.files import write_atomically
from edge.records import Frame
from models.candidates.advice import (
    alike,
    export_command,
    how_sure,
    next_pictures,
    rests_on,
    verdict,
)
from models.candidates.pictures import JudgedPictures
from models.candidates.ranking import CandidateScores, chain_of
from models.candidates.record import CandidateComparison
from models.candidates.resample import Floats
from models.evaluation.float_chain import detector_of
from models.evaluation.interval import counted, percent
from models.report import page
from models.report.cases import data_uri, marked_uri, shrunk
from models.report.write import REPORT
from models.runs.commands import make
from models.runs.run import Run
from models.training.patches import Picture

MOST_GOOD, MOST_BAD, MOST_SYNTHETIC = 4, 8, 4

Examine = Callable[[Picture], tuple[str, float]]


def write_page(
    folder: Path,
    comparison: CandidateComparison,
    runs: Mapping[DetectorKind, Run],
    scores: Mapping[DetectorKind, CandidateScores],
    pictures: JudgedPictures,
) -> Path:
    """Write the page and return its path. Blocks for seconds: it inspects the shown pictures."""
    examine = {each.method: _examiner(runs[each.method]) for each in comparison.candidates}
    path = folder / REPORT
    scored = scores[comparison.recommended]
    write_atomically(path, render(folder, comparison, examine, scored, pictures))
    return path


def render(
    folder: Path,
    comparison: CandidateComparison,
    examine: Mapping[DetectorKind, Examine],
    scores: CandidateScores,
    pictures: JudgedPictures,
) -> str:
    """Return the page as HTML.

    folder: of the comparison, as the commands on the page name it. examine: by method, a function
    that returns a marked copy of a picture as a data URI, and its peak severity. scores: of the
    recommended candidate.
    """
    return page.page(
        f"Candidates for {Path(comparison.data).name}",
        [
            _recommendation(folder, comparison),
            page.section("Which pictures to take next", page.bullets(next_pictures(comparison))),
            _figures(comparison),
            _examples(examine, scores, pictures),
        ],
    )


def figures(comparison: CandidateComparison) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return head and rows of the table of candidates, as text."""
    head = (
        *("method", f"AUROC of {comparison.ranked_by} (95%)", "recommended is better in"),
        *("image AP", "bad parts passed", "synthetic defects passed", "good parts rejected", "T"),
        *("training time", "ms a picture, one core", "size"),
    )
    rows: list[tuple[str, ...]] = [
        (
            each.method,
            f"{each.figure:.3f} ({each.figure_low:.3f}–{each.figure_high:.3f})",
            "–" if each.behind is None else percent(each.behind),
            "–" if each.image_ap is None else f"{each.image_ap:.3f}",
            counted(each.escapes, comparison.bad),
            counted(each.synthetic_escapes, comparison.synthetic),
            counted(each.false_rejects, comparison.good),
            f"{each.threshold:g}",
            f"{each.training_s:.0f} s",
            f"{each.ms_per_frame:.1f}",
            f"{each.size_bytes / 1e6:.2f} MB",
        )
        for each in comparison.candidates
    ]
    return head, rows


def _recommendation(folder: Path, comparison: CandidateComparison) -> str:
    first = comparison.candidates[0]
    lead = (
        f"{first.method}: AUROC {first.figure:.3f}; {first.ms_per_frame:.1f} ms a picture on one "
        f"core, in float. {verdict(comparison)} {how_sure(comparison)}"
    )
    others = alike(comparison)
    content = [
        page.paragraph(lead, "lead"),
        page.paragraph(rests_on(comparison)),
        page.paragraph("To export it as a bundle:"),
        page.preformatted(export_command(comparison, folder)),
    ]
    if not comparison.bad:
        line = "The number of escapes is unknown: no part among the pictures is bad."
        content.insert(1, page.paragraph(line, "warning"))
    if others:
        text = "Equally good on these pictures: " + ", ".join(
            f"{each.method} ({each.ms_per_frame:.1f} ms)" for each in others
        )
        content.append(
            page.paragraph(f"{text}. Any of them can be exported, for instance {others[0].method}:")
        )
        content.append(page.preformatted(make("export", RUN=folder / others[0].method)))
    content.append(page.paragraph(f"Reason for the comparison: {comparison.reason}."))
    return page.section("Recommended", *content)


def _figures(comparison: CandidateComparison) -> str:
    note = (
        "T is the severity that decides: the threshold of methods that learn from good parts, the "
        "reject severity of regression, or the part threshold of a decision head. Each method has "
        f"the fewest escapes within {percent(comparison.limit)} false rejects of its own held-back "
        "good pictures. Intervals of counts are by Clopper and Pearson; intervals of AUROC are "
        "from resampled parts. Each picture counts as one part."
    )
    content = [page.table(*figures(comparison)), page.paragraph(note, "small")]
    if comparison.left_out:
        content.append(page.heading("Methods left out"))
        content.append(page.bullets((each.method, each.reason) for each in comparison.left_out))
    return page.section("Candidates", *content)


def _examples(
    examine: Mapping[DetectorKind, Examine], scores: CandidateScores, pictures: JudgedPictures
) -> str:
    content = [
        page.paragraph(
            "Left: the picture. Then the result of each candidate at its T. Yellow is the "
            "severity, orange the reported region, blue the drawn or synthetic defect."
        )
    ]
    for title, group in (
        (
            "Bad parts with the lowest severity (recommended candidate)",
            _lowest(pictures.bad, scores.bad.peaks),
        ),
        (
            "Synthetic defects, from low to high severity",
            _spread(pictures.synthetic, scores.synthetic.peaks),
        ),
        ("Good parts with the highest severity", _highest(pictures.good, scores.good.peaks)),
    ):
        if group:
            content.append(page.heading(title))
            content += [_row(picture, examine) for picture in group]
    return page.section("The same pictures with every candidate", *content)


def _row(picture: Picture, examine: Mapping[DetectorKind, Examine]) -> str:
    shown = [(data_uri(shrunk(picture.pixels)), "the picture")]
    for name, look in examine.items():
        uri, severity = look(picture)
        shown.append((uri, f"{name} {severity:.1f}"))
    sample = picture.sample
    return page.row(f"{sample.name}: {', '.join(sample.kinds) or 'good'}", shown)


def _examiner(run: Run) -> Examine:
    record = run.record()
    detector = detector_of(run.load_detector(), record.channels, record.alignment)
    inspector = chain_of(run, detector)

    def look(picture: Picture) -> tuple[str, float]:
        inspection = inspector.examine(Frame(0, 0, 0, 0, picture.pixels))
        return marked_uri(picture, inspection), inspection.verdict.peak_severity

    return look


def _lowest(pictures: tuple[Picture, ...], scores: Floats) -> list[Picture]:
    return _one_per_part(pictures, np.argsort(scores, kind="stable"), MOST_BAD)


def _highest(pictures: tuple[Picture, ...], scores: Floats) -> list[Picture]:
    order = np.argsort(-scores, kind="stable")
    return _one_per_part(pictures, order, MOST_GOOD)


def _spread(pictures: tuple[Picture, ...], scores: Floats) -> list[Picture]:
    order = np.argsort(scores, kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, MOST_SYNTHETIC).round().astype(int))
    return [pictures[order[place]] for place in places] if len(order) else []


def _one_per_part(pictures: tuple[Picture, ...], order: Iterable[int], most: int) -> list[Picture]:
    """Return the first pictures in the order, one for each physical part."""
    return list(_distinct(pictures[number] for number in order))[:most]


def _distinct(pictures: Iterable[Picture]) -> Iterator[Picture]:
    parts: set[str] = set()
    for picture in pictures:
        if picture.sample.group not in parts:
            parts.add(picture.sample.group)
            yield picture
