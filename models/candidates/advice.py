"""What the comparison says in words: how sure it is, and what to photograph next. Pure."""

from __future__ import annotations

import math
from pathlib import Path

from models.candidates.judge import ENOUGH_BAD, SURE
from models.candidates.record import CandidateComparison, MethodCandidate
from models.evaluation.tradeoff.interval import counted, interval, parts_to_prove, percent
from models.evaluation.tradeoff.point import OperatingPoint
from models.methods.registry import METHODS
from models.runs.commands import make

LIKELY = 0.8
CHANCE = 0.5  # the AUROC of who sees nothing
MOST_PASSED = 0.5  # of the flaws: above, nobody would call it an inspection
FEW_PARTS = 10  # fewer physical parts are too much alike for any interval to be trusted
ESCAPES = 0.05  # a rate of escapes that a line wants to rule out


def verdict(comparison: CandidateComparison) -> str:
    """One sentence on whether the recommended candidate is any good."""
    first = comparison.candidates[0]
    flaws = comparison.bad if comparison.ranked_by == "bad" else comparison.bad + comparison.painted
    passed = first.escapes or 0
    passed += 0 if comparison.ranked_by == "bad" else first.painted_escapes or 0
    told = f"{counted(passed, flaws)} are passed at its T"
    if first.figure_low <= CHANCE:
        return (
            f"NO CANDIDATE WORKS on these pictures: the best, {first.method}, is not surely better "
            f"than chance, and {told}. Do not run it on a line: draw masks of defects and train "
            "regression, or look at light and resolution first."
        )
    if passed > MOST_PASSED * flaws:
        return (
            f"{first.method} is better than chance, yet {told}: too many for a line, unless more "
            "false rejects may be (--max-false-rejects)."
        )
    return f"{told[0].upper()}{told[1:]}."


def how_sure(comparison: CandidateComparison) -> str:
    """One sentence on the recommended candidate against the next."""
    first = comparison.recommended
    if len(comparison.candidates) == 1:
        return f"{first} is the only candidate that can be trained on these pictures."
    second = comparison.candidates[1]
    share = second.behind or 0.0
    told = f"{first} is better than {second.method} in {percent(share)} of resamples of the parts"
    if share >= LIKELY and comparison.good_parts < FEW_PARTS:
        return f"{told}: {comparison.good_parts} good parts are too few to be sure."
    if share >= SURE:
        return f"{told}: that is sure."
    if share >= LIKELY:
        return f"{told}: likely, not sure."
    return f"{told}: these pictures cannot tell the two apart."


def export_command(comparison: CandidateComparison, folder: str | Path) -> str:
    """What packs the recommended run at the T of the figures; regression's own is another."""
    if METHODS[comparison.candidates[0].method].good_only:
        return make("export", RUN=folder)
    limit = f"--max-false-rejects {percent(comparison.limit)}"
    return make("export", RUN=folder, EXPORT_ARGS=limit)


def alike(comparison: CandidateComparison) -> tuple[MethodCandidate, ...]:
    """The candidates that the recommended one is not surely better than."""
    return tuple(each for each in comparison.candidates[1:] if (each.behind or 0.0) < SURE)


def rests_on(comparison: CandidateComparison) -> str:
    """What the figures were measured on, and what that is worth."""
    told = (
        f"{comparison.good} good pictures of {comparison.good_parts} parts and {comparison.bad} "
        f"bad ones of {comparison.bad_parts} parts, none of which was trained on"
    )
    if comparison.good_parts < FEW_PARTS:
        told += f"; fewer than {FEW_PARTS} good parts say little, whatever the intervals"
    if comparison.ranked_by == "bad":
        return f"Ranked by AUROC of the bad pictures: {told}."
    few = "no bad part is here"
    if comparison.bad_parts:
        few = f"fewer than {ENOUGH_BAD} bad parts are too few to rank by"
    return (
        f"Ranked by AUROC of {comparison.painted} painted flaws"
        f"{' and the bad pictures' if comparison.bad else ''}: {told}; {few}. A flaw was painted "
        "on good pictures by a generator. Painted flaws are not the line's: they say that a method "
        "works at all, not which defects of this line it finds; and a method that was itself tuned "
        "on generated flaws looks better by them than it is."
    )


def next_pictures(comparison: CandidateComparison) -> tuple[tuple[str, str], ...]:
    """What to photograph next, each with what it rests on."""
    return (*_good(comparison), *_bad(comparison), *_apart(comparison))


def _good(comparison: CandidateComparison) -> tuple[tuple[str, str], ...]:
    first = comparison.candidates[0]
    assurance = _point(comparison, first).assurance(comparison.limit)
    basis = f"{first.false_rejects} of {comparison.good} held-back good parts; {assurance}"
    if assurance.proved:
        told = f"At most {percent(comparison.limit)} false rejects are proved at T = "
        return ((f"{told}{first.threshold:g}.", basis),)
    told = (
        f"Photograph good parts until {assurance.needed - comparison.good} more are held back, to "
        f"prove at most {percent(comparison.limit)} false rejects; about a quarter of all is."
    )
    return ((told, basis),)


def _bad(comparison: CandidateComparison) -> tuple[tuple[str, str], ...]:
    if comparison.bad and interval(0, comparison.bad)[1] <= ESCAPES:
        return ()
    told = (
        f"Keep every bad part and photograph it, drawn or not: {parts_to_prove(ESCAPES)} of them, "
        f"all found, prove less than {percent(ESCAPES)} escapes."
    )
    passed = counted(comparison.candidates[0].escapes, comparison.bad)
    return ((told, f"bad parts passed: {passed}" if comparison.bad else "no bad part is here"),)


def _apart(comparison: CandidateComparison) -> tuple[tuple[str, str], ...]:
    first, others = comparison.candidates[0], alike(comparison)
    if not others:
        return ()
    second = comparison.candidates[1]
    by_bad = comparison.ranked_by == "bad"
    basis = ", ".join(
        f"{each.method} {each.figure:.3f} ({each.figure_low:.3f}–{each.figure_high:.3f})"
        for each in comparison.candidates
        if each in (first, *others)
    )
    if comparison.needed_bad is not None and first.figure_low > CHANCE:
        what = "bad parts" if by_bad else "flaws like the painted ones"
        told = f"About {comparison.needed_bad} {what} would tell {first.method} from "
        told += f"{second.method}."
    else:
        told = f"{first.method} cannot be told from {', '.join(e.method for e in others)} here."
    if not by_bad:
        told += f" {ENOUGH_BAD} bad parts of the line or more would say what painted flaws cannot."
    return ((told, f"AUROC: {basis}"),)


def _point(comparison: CandidateComparison, candidate: MethodCandidate) -> OperatingPoint:
    return OperatingPoint(
        threshold=candidate.threshold,
        escapes=candidate.escapes,
        defective=comparison.bad,
        false_rejects=candidate.false_rejects,
        good=comparison.good,
        mean_iou=math.nan,
    )
