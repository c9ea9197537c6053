"""Sentences on a comparison: how reliable it is, and which pictures to take next. Pure."""

from __future__ import annotations

import math
from pathlib import Path

from models.candidates.ranking import CHANCE, ENOUGH_BAD, PREFERRED, SURE
from models.candidates.record import CandidateComparison, MethodCandidate
from models.evaluation.interval import counted, interval, parts_to_prove, percent
from models.evaluation.tradeoff.point import OperatingPoint
from models.runs.commands import make

LIKELY = 0.8
MOST_PASSED = 0.5  # share of the defects; above it, the method is of no use on a line
FEW_PARTS = 10  # with fewer physical parts the pictures are too similar for a valid interval
ESCAPES = 0.05  # the escape rate that a line wants to exclude


def verdict(comparison: CandidateComparison) -> str:
    """Return one or two sentences on how good the recommended candidate is."""
    first = comparison.candidates[0]
    defects = (
        comparison.bad if comparison.ranked_by == "bad" else comparison.bad + comparison.synthetic
    )
    passed = first.escapes or 0
    passed += 0 if comparison.ranked_by == "bad" else first.synthetic_escapes or 0
    text = f"{counted(passed, defects)} are passed at its T"
    if first.figure_low <= CHANCE:
        return (
            f"NO CANDIDATE WORKS on these pictures. The best is {first.method}. It is not clearly "
            f"better than chance, and {text}. Do not run it on a line. Draw masks of defects and "
            "train regression, or check lighting and resolution first."
        )
    if passed > MOST_PASSED * defects:
        return (
            f"{first.method} is better than chance, but {text}. That is too many for a line, "
            "unless more false rejects are allowed (--max-false-rejects)."
        )
    return f"{text[0].upper()}{text[1:]}."


def how_sure(comparison: CandidateComparison) -> str:
    """Return one sentence that compares the recommended candidate with the second."""
    first = comparison.recommended
    if len(comparison.candidates) == 1:
        return f"{first} is the only candidate that can be trained on these pictures."
    second = comparison.candidates[1]
    if first == PREFERRED and comparison.ranked_by != "bad":
        return (
            f"{first} is recommended because synthetic defects do not rank methods as real ones "
            "do. On most published sets it found real defects better than the method that they "
            f"rank first. From {ENOUGH_BAD} marked bad parts on, these rank."
        )
    share = second.behind or 0.0
    text = f"{first} is better than {second.method} in {percent(share)} of resamples of the parts"
    if share >= LIKELY and comparison.good_parts < FEW_PARTS:
        return f"{text}: {comparison.good_parts} good parts are too few for a clear result."
    if share >= SURE:
        return f"{text}: the difference is clear."
    if share >= LIKELY:
        return f"{text}: the difference is likely, but not clear."
    return f"{text}: these pictures do not show which of the two is better."


def export_command(comparison: CandidateComparison, folder: str | Path) -> str:
    """Return the command that exports the recommended run."""
    return make("export", RUN=folder)


def alike(comparison: CandidateComparison) -> tuple[MethodCandidate, ...]:
    """Return the candidates that are not clearly worse than the recommended one."""
    return tuple(each for each in comparison.candidates[1:] if (each.behind or 0.0) < SURE)


def rests_on(comparison: CandidateComparison) -> str:
    """Return sentences on the pictures behind the figures, and on how much they prove."""
    text = (
        f"{comparison.good} good pictures of {comparison.good_parts} parts and {comparison.bad} "
        f"bad ones of {comparison.bad_parts} parts; no candidate was trained on any of them"
    )
    if comparison.good_parts < FEW_PARTS:
        text += (
            f"; fewer than {FEW_PARTS} good parts prove little, even where an interval is narrow"
        )
    if comparison.ranked_by == "bad":
        return f"Ranked by AUROC of the bad pictures: {text}."
    few = "no part is bad"
    if comparison.bad_parts:
        few = f"fewer than {ENOUGH_BAD} bad parts are too few for a ranking"
    return (
        f"Ranked by AUROC of {comparison.synthetic} synthetic defects"
        f"{' and the bad pictures' if comparison.bad else ''}: {text}; {few}. "
        "Synthetic defects were generated on good pictures. They are not the defects of the line. "
        "They show that a method works at all, but not which defects of this line it detects. "
        "A method that was tuned on generated defects looks better in this ranking than it is."
    )


def next_pictures(comparison: CandidateComparison) -> tuple[tuple[str, str], ...]:
    """Return pairs of advice on the next pictures and the figures behind it."""
    return (*_good(comparison), *_bad(comparison), *_apart(comparison))


def _good(comparison: CandidateComparison) -> tuple[tuple[str, str], ...]:
    first = comparison.candidates[0]
    assurance = _point(comparison, first).assurance(comparison.limit)
    basis = f"{first.false_rejects} of {comparison.good} held-back good parts; {assurance}"
    if assurance.proved:
        text = f"At most {percent(comparison.limit)} false rejects are proved at T = "
        return ((f"{text}{first.threshold:g}.", basis),)
    text = (
        f"Photograph good parts until {assurance.needed - comparison.good} more are held back, to "
        f"prove at most {percent(comparison.limit)} false rejects. About a quarter of all good "
        "parts is held back."
    )
    return ((text, basis),)


def _bad(comparison: CandidateComparison) -> tuple[tuple[str, str], ...]:
    if comparison.bad and interval(0, comparison.bad)[1] <= ESCAPES:
        return ()
    text = (
        f"Keep and photograph every bad part, with or without a mask. {parts_to_prove(ESCAPES)} "
        f"bad parts, all rejected, prove less than {percent(ESCAPES)} escapes."
    )
    passed = counted(comparison.candidates[0].escapes, comparison.bad)
    return ((text, f"bad parts passed: {passed}" if comparison.bad else "no part is bad"),)


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
        what = "bad parts" if by_bad else "defects like the synthetic ones"
        text = f"About {comparison.needed_bad} {what} would show whether {first.method} or "
        text += f"{second.method} is better."
    else:
        names = ", ".join(each.method for each in others)
        text = f"These pictures do not show whether {first.method} is better than {names}."
    if not by_bad:
        text += (
            f" At least {ENOUGH_BAD} bad parts of the line would show more than synthetic defects."
        )
    return ((text, f"AUROC: {basis}"),)


def _point(comparison: CandidateComparison, candidate: MethodCandidate) -> OperatingPoint:
    return OperatingPoint(
        threshold=candidate.threshold,
        escapes=candidate.escapes,
        defective=comparison.bad,
        false_rejects=candidate.false_rejects,
        good=comparison.good,
        mean_iou=math.nan,
    )
