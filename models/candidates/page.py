"""OUT/report.html: the comparison as one page, with nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from edge.bundle.manifest import DetectorKind
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
from models.candidates.judge import Scores, chain_of
from models.candidates.pictures import JudgedPictures
from models.candidates.record import CandidateComparison, MethodCandidate
from models.candidates.resample import Floats
from models.evaluation.float_chain import detector_of
from models.evaluation.tradeoff.interval import counted, percent
from models.report import page
from models.report.cases import data_uri, marked_uri, shrunk
from models.report.write import REPORT
from models.runs.commands import make
from models.runs.run import Run
from models.training.patches import Picture

MOST_GOOD, MOST_BAD, MOST_PAINTED = 4, 8, 4

Examine = Callable[[Picture], tuple[str, float]]


def write_page(
    folder: Path,
    comparison: CandidateComparison,
    runs: Mapping[DetectorKind, Run],
    scores: Mapping[DetectorKind, Scores],
    pictures: JudgedPictures,
) -> Path:
    """Write the page; its path. Looks at the shown pictures again: blocks for seconds."""
    examine = {each.method: _examiner(runs[each.method], each) for each in comparison.candidates}
    path = folder / REPORT
    scored = scores[comparison.recommended]
    write_atomically(path, render(folder, comparison, examine, scored, pictures))
    return path


def render(
    folder: Path,
    comparison: CandidateComparison,
    examine: Mapping[DetectorKind, Examine],
    scores: Scores,
    pictures: JudgedPictures,
) -> str:
    """The page. folder: of the comparison, as the commands name it. examine: by method, a picture's
    marked copy as data URI, and its severity. scores: the recommended candidate's."""
    return page.page(
        f"Candidates for {Path(comparison.data).name}",
        [
            _recommendation(folder, comparison),
            page.section("What to photograph next", page.bullets(next_pictures(comparison))),
            _figures(comparison),
            _shown(examine, scores, pictures),
        ],
    )


def figures(comparison: CandidateComparison) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the table of candidates, as text."""
    head = (
        *("method", f"AUROC of {comparison.ranked_by} (95%)", "recommended is better in"),
        *("image AP", "bad parts passed", "painted flaws passed", "good parts rejected", "T"),
        *("training", "ms a picture, one core", "size"),
    )
    rows: list[tuple[str, ...]] = [
        (
            each.method,
            f"{each.figure:.3f} ({each.figure_low:.3f}–{each.figure_high:.3f})",
            "–" if each.behind is None else percent(each.behind),
            "–" if each.image_ap is None else f"{each.image_ap:.3f}",
            counted(each.escapes, comparison.bad),
            counted(each.painted_escapes, comparison.painted),
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
        f"{first.method}: AUROC {first.figure:.3f}, {first.ms_per_frame:.1f} ms a picture on one "
        f"core in float, before int8. {verdict(comparison)} {how_sure(comparison)}"
    )
    others = alike(comparison)
    found = [
        page.paragraph(lead, "lead"),
        page.paragraph(rests_on(comparison)),
        page.paragraph("To pack it:"),
        page.preformatted(export_command(comparison, folder)),
    ]
    if not comparison.bad:
        line = "Escapes are unknown: no bad part is among the pictures, drawn or not."
        found.insert(1, page.paragraph(line, "warning"))
    if others:
        told = "Not told apart from it: " + ", ".join(
            f"{each.method} ({each.ms_per_frame:.1f} ms)" for each in others
        )
        found.append(page.paragraph(f"{told}. Any of them may be exported, as {others[0].method}:"))
        found.append(page.preformatted(make("export", RUN=folder / others[0].method)))
    found.append(page.paragraph(f"Why there are candidates: {comparison.reason}."))
    return page.section("Recommended", *found)


def _figures(comparison: CandidateComparison) -> str:
    note = (
        f"T is the lowest that rejects at most {percent(comparison.limit)} of the held-back good "
        "pictures; what is passed is counted there. "
        "Intervals of counts are Clopper and Pearson's, of AUROC from resampling parts, where "
        "equal candidates count half. In counts a picture is a part."
    )
    found = [page.table(*figures(comparison)), page.paragraph(note, "small")]
    if comparison.left_out:
        found.append(page.heading("Left out"))
        found.append(page.bullets((each.method, each.reason) for each in comparison.left_out))
    return page.section("Candidates", *found)


def _shown(
    examine: Mapping[DetectorKind, Examine], scores: Scores, pictures: JudgedPictures
) -> str:
    found = [
        page.paragraph(
            "Left the picture; then each candidate at its T: yellow is the severity, orange what "
            "it reports, blue what was drawn or painted."
        )
    ]
    for title, some in (
        (
            "Bad parts that look best to the recommended one",
            _lowest(pictures.bad, scores.bad.peaks),
        ),
        (
            "Painted flaws, from the faintest to the plainest",
            _spread(pictures.painted, scores.painted.peaks),
        ),
        ("Good parts that look worst to it", _highest(pictures.good, scores.good.peaks)),
    ):
        if some:
            found.append(page.heading(title))
            found += [_row(picture, examine) for picture in some]
    return page.section("The same pictures, side by side", *found)


def _row(picture: Picture, examine: Mapping[DetectorKind, Examine]) -> str:
    shown = [(data_uri(shrunk(picture.pixels)), "the picture")]
    for name, look in examine.items():
        uri, severity = look(picture)
        shown.append((uri, f"{name} {severity:.1f}"))
    sample = picture.sample
    return page.row(f"{sample.name}: {', '.join(sample.kinds) or 'good'}", shown)


def _examiner(run: Run, candidate: MethodCandidate) -> Examine:
    detector = detector_of(run.load_detector(), run.record().channels)
    inspector = chain_of(run, detector, candidate.threshold)

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
    places = np.unique(np.linspace(0, len(order) - 1, MOST_PAINTED).round().astype(int))
    return [pictures[order[place]] for place in places] if len(order) else []


def _one_per_part(pictures: tuple[Picture, ...], order: Iterable[int], most: int) -> list[Picture]:
    """Eight pictures of one part say no more than one."""
    return list(_distinct(pictures[number] for number in order))[:most]


def _distinct(pictures: Iterable[Picture]) -> Iterator[Picture]:
    seen: set[str] = set()
    for picture in pictures:
        if picture.sample.group not in seen:
            seen.add(picture.sample.group)
            yield picture
