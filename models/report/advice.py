"""Advice on the pictures to take next, each with the figures behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from models.data.dataset import Sample
from models.data.facts import parts_of
from models.evaluation.interval import UNKNOWN, counted, interval, percent, share_of
from models.evaluation.metrics import Match, PictureOutcome
from models.evaluation.promise import escapes_at
from models.evaluation.tradeoff.point import operating_point
from models.methods.registry import METHODS
from models.report.findings import Findings

FEW_TRAINING, FEW_VALIDATION = 20, 10  # physical parts of a kind; with fewer, one part decides
LOW_RECALL = 0.9
GAP = 0.1  # a larger difference of training and validation recall shows overfitting
FALLING = 0.05  # share by which the loss may still fall over the last fifth of the steps
LOW_ESCAPES = 0.05  # an escape rate that validation must be able to exclude
MANY_POINTS = 10  # points of a loss curve that are needed to evaluate its end
WHOLE, WITHOUT = "float", "float without classifier"  # the names in the run's result
MOST_DECIDING = 3  # good parts that are looked at
DECIDES_PARTS, DECIDES_SHARE = 2, 0.1  # escapes that these cost, as a number and as a share
LEVELS_APART = 5.0  # visible difference of a region and its surroundings, in grey levels


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece of advice, and the figures behind it."""

    text: str
    rests_on: str


def advise(findings: Findings) -> tuple[Advice, ...]:
    """Return the advice that the figures support, the most expensive faults first.

    Returns one line where there is nothing to advise.
    """
    found = tuple(
        chain(
            _deciding(findings),
            _kinds(findings),
            _classifier(findings),
            _false_alarms(findings),
            _proof(findings),
            _gap(findings),
            _loss(findings),
            _annotation(findings),
        )
    )
    nothing = Advice(
        "No problem is visible in the figures.", f"{len(findings.outcomes)} validation pictures"
    )
    return found or (nothing,)


def of_kind(samples: Sequence[Sample], kind: str) -> tuple[Sample, ...]:
    """Return the pictures with a kind of defect; with "" those of good parts."""
    return tuple(s for s in samples if (kind in s.kinds if kind else s.is_good))


def touched(outcomes: Sequence[PictureOutcome], kind: str = "") -> tuple[int, int]:
    """Return the number of annotated defects that a reported region touches, and of all of them.

    kind: "" for all kinds.
    """
    matches: list[Match] = [m for o in outcomes for m in o.matches if m.kind == kind or not kind]
    return sum(match.iou > 0.0 for match in matches), len(matches)


def _deciding(findings: Findings) -> list[Advice]:
    """Return advice to look at the few good parts that set the limit, where they cost escapes.

    Such a part is often a defective one in the wrong folder, or its picture is a bad one.
    """
    limit = findings.limit
    good = [outcome for outcome in findings.outcomes if not outcome.defective]
    bad = [outcome for outcome in findings.outcomes if outcome.defective]
    ranked = sorted(good, key=lambda outcome: outcome.score, reverse=True)
    before = escapes_at(findings.outcomes, limit)
    for count in range(1, min(MOST_DECIDING, len(ranked) - 1) + 1):
        after = escapes_at((*bad, *ranked[count:]), limit)
        if before - after < max(DECIDES_PARTS, DECIDES_SHARE * len(bad)):
            continue
        names = ", ".join(outcome.name for outcome in ranked[:count])
        them, sets, part = ("it", "It sets", "the part is")
        if count > 1:
            them, sets, part = ("them", "They set", "the parts are")
        text = (
            f"Look at the pictures of good parts with the highest scores: {names}. {sets} the "
            f"limit of severity for all parts. If {part} defective, or the line makes no such "
            f"pictures, move {them} out of the good ones and train again."
        )
        rests_on = (
            f"escapes within {percent(limit)} false rejects, by the score of the verdict: "
            f"{share_of(before, len(bad))} with {them}, {share_of(after, len(bad))} without {them}"
        )
        return [Advice(text, rests_on)]
    return []


def _kinds(findings: Findings) -> list[Advice]:
    """Return advice on kinds that are missed or have too few parts, the most missed first.

    Methods that learn from good parts need defective parts for validation only.
    """
    found = []
    good_only = METHODS[findings.record.recipe.method].good_only
    for kind in findings.record.kinds:
        hits, total = touched(findings.outcomes, kind)
        train, held_back = (
            parts_of(of_kind(side, kind)) for side in (findings.train, findings.validation)
        )
        recall = hits / total if total else 0.0
        few = held_back < FEW_VALIDATION or (train < FEW_TRAINING and not good_only)
        if recall >= LOW_RECALL and not few:
            continue
        rests_on = f"{train} physical parts in training, {held_back} in validation"
        wanted = f"{FEW_TRAINING} and {FEW_VALIDATION}"
        if good_only:
            rests_on, wanted = f"{held_back} physical parts in validation", f"{FEW_VALIDATION}"
        if few:
            rests_on += f" (wanted: {wanted})"
        text = f"Photograph more different parts with {kind}"
        if total:
            rests_on += f"; defects found: {counted(hits, total)}"
        if total and recall < LOW_RECALL:
            text += ", similar to the misses below" + _smaller(findings, kind)
        found.append((recall, Advice(f"{text}.", rests_on)))
    return [advice for _, advice in sorted(found, key=lambda pair: pair[0])]


def _smaller(findings: Findings, kind: str) -> str:
    """Return a text where the escapes are much smaller than the rejected defects; else ""."""
    areas = [(o.annotated_px, o.rejected) for o in findings.outcomes if kind in o.kinds]
    passed, rejected_areas = (
        [area for area, rejected in areas if rejected is side] for side in (False, True)
    )
    if not passed or not rejected_areas or np.median(passed) >= np.median(rejected_areas) / 2:
        return ""
    return (
        f", small ones above all (median {np.median(passed):.0f} px for {len(passed)} escapes of "
        f"{len(areas)} parts, {np.median(rejected_areas):.0f} px for the others)"
    )


def _classifier(findings: Findings) -> list[Advice]:
    """Return advice where the classifier causes most escapes."""
    whole, without = (findings.result.metrics.get(name) for name in (WHOLE, WITHOUT))
    if whole is None or without is None:
        return []
    if "escapes" not in whole or "escapes" not in without:
        return []
    lost = int(whole["escapes"] - without["escapes"])
    if 2 * lost <= whole["escapes"]:
        return []
    return [
        Advice(
            "The detector found most escapes, but the classifier called them background. Add more "
            "defects that look like them, and good parts that look similar.",
            f"escapes: {whole['escapes']:.0f} with the classifier, {without['escapes']:.0f} "
            f"without; false rejects: {_count(whole, 'false_rejects')} with, "
            f"{_count(without, 'false_rejects')} without",
        )
    ]


def _count(metrics: Mapping[str, float], name: str) -> str:
    return f"{metrics[name]:.0f}" if name in metrics else UNKNOWN


def _false_alarms(findings: Findings) -> list[Advice]:
    point = operating_point(findings.result.threshold, findings.metrics)
    alarms = [alarm for alarm in findings.cases.false_alarms if alarm.good]
    if not point.false_rejects or not alarms:
        return []
    count = len(alarms)
    kinds = ", ".join(f"{k} {n}" for k, n in Counter(a.kind for a in alarms).most_common(3))
    at_edge = sum(alarm.at_edge for alarm in alarms)
    dark = sum(alarm.contrast < -LEVELS_APART for alarm in alarms)
    light = sum(alarm.contrast > LEVELS_APART for alarm in alarms)
    area = float(np.median([alarm.area_px for alarm in alarms]))
    look = [f"{area:.0f} px in the median"]
    if dark > count / 2 or light > count / 2:
        look.append("darker than the surface" if dark > light else "lighter than the surface")
    if at_edge > count / 2:
        look.append("at the frame's edge")
    text = f"Photograph good parts with marks like the false alarms below: {', '.join(look)}."
    if at_edge > count / 2:
        text += " Or adjust the camera so that the rim of the part is always in the same place."
    return [
        Advice(
            text,
            f"good parts rejected: {counted(point.false_rejects, point.good)}; {count} false "
            f"regions on them ({kinds}), {dark} darker, {light} lighter, {at_edge} at the edge",
        )
    ]


def _proof(findings: Findings) -> list[Advice]:
    point = operating_point(findings.result.threshold, findings.metrics)
    promise = findings.result.promise
    assurance = point.assurance(findings.limit)
    is_proved, basis = assurance.proved, str(assurance)
    more = max(assurance.needed - point.good, 0)
    if promise is not None and promise.limit == findings.limit:
        is_proved, basis, more = not promise.missing, str(promise), promise.missing
    found = []
    if not is_proved:
        rests_on = f"{point.good} good validation parts; {basis}"
        if not point.good:
            rests_on = "no validation part is good, so false rejects are unknown"
        text = f"Photograph at least {more} more good parts for validation"
        text += f" to prove at most {percent(findings.limit)} false rejects"
        if point.false_reject_rate > findings.limit:
            text = (
                f"At most {percent(findings.limit)} false rejects cannot be proved at this T by "
                "more pictures alone, because too many good parts are rejected"
            )
        found.append(Advice(f"{text}.", rests_on))
    undetected = interval(0, point.defective)[1]
    if undetected > LOW_ESCAPES:
        found.append(
            Advice(
                "Photograph more defective parts for validation.",
                f"{point.defective} defective validation parts: even if none of them is an escape, "
                f"an escape rate of {percent(undetected)} cannot be excluded",
            )
        )
    return found


def _gap(findings: Findings) -> list[Advice]:
    trained_hits, trained_total = touched(findings.trained)
    hits, total = touched(findings.outcomes)
    if not trained_total or not total or hits / total >= LOW_RECALL:
        return []
    rests_on = (
        f"defects found: {counted(trained_hits, trained_total)} of training pictures, "
        f"{counted(hits, total)} of validation pictures"
    )
    if trained_hits / trained_total > hits / total + GAP:
        return [Advice("Add pictures of every kind: new parts look different.", rests_on)]
    return [
        Advice(
            "More pictures of the same sort will not help much, because defects in training "
            "pictures are missed as well. Check lighting, resolution and annotation first.",
            rests_on,
        )
    ]


def _loss(findings: Findings) -> list[Advice]:
    found = []
    for name in ("detector", "classifier"):
        curve = getattr(findings.result, f"{name}_loss")
        if len(curve) < MANY_POINTS:
            continue
        before, last = curve[-1 - len(curve) // 5][1], curve[-1][1]
        if last < (1 - FALLING) * before:
            found.append(
                Advice(
                    f"Train the {name} for more steps.",
                    f"its loss still fell from {before:.3f} to {last:.3f} over the last fifth of "
                    f"{curve[-1][0]} steps",
                )
            )
    return found


def _annotation(findings: Findings) -> list[Advice]:
    found = []
    if findings.record.unmasked:
        found.append(
            Advice(
                "Draw the masks that are missing.",
                f"{len(findings.record.unmasked)} defective pictures have none and were left out",
            )
        )
    everything = (*findings.train, *findings.validation)
    if parts_of(everything) == len(everything):
        found.append(
            Advice(
                "If several pictures show the same part, list them in groups.csv.",
                f"{len(everything)} pictures, each counted as a separate part. A part on both "
                "sides of the division would make the validation results look better than the line",
            )
        )
    return found
