"""learn.html: what was learned and what it changed, on one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence

from edge.bundle import Bundle
from edge.chain.inspector import Inspector
from edge.errors import FrameError
from edge.records import Frame
from export.feedback.comparison import open_chain
from export.feedback.record import LearnRecord, SettingsRecord
from models.evaluation.tradeoff.interval import counted, percent
from models.feedback import FeedbackDataset
from models.report import page
from models.report.cases import Case, data_uri, marked_uri, shrunk
from models.training.patches import Picture

PAGE = "learn.html"
KEPT = "kept against the classifier from severity"  # keep_severity
MOST = 16  # parts whose decision changed that are shown


def find_cases(
    feedback: FeedbackDataset, record: LearnRecord, old: Bundle, new: Bundle
) -> tuple[Case, ...]:
    """Parts whose decision changed: left by the old bundle, right by the new one; those that are
    judged worse first, bad ones before good ones. Blocks for both chains."""
    held_back = (marked.picture for marked in feedback.held_back)
    pictures = (*feedback.selection, *feedback.synthetic_held_back, *held_back)
    by_name = {picture.sample.name: picture for picture in pictures}
    chains = open_chain(old), open_chain(new)
    order = sorted(
        record.changed,
        key=lambda each: ((each.after == "PASS") is not each.bad, not each.bad, each.side),
    )
    found = []
    for changed in order[:MOST]:
        picture = by_name[changed.name]
        said = f"{'defective' if changed.bad else 'good'} part, {changed.side}"
        caption = f"{said}: {changed.before} before, {changed.after} now"
        left, right = (_shown(chain, picture) for chain in chains)
        found.append(Case(changed.name, caption, left, right))
    return tuple(found)


def render(record: LearnRecord, cases: Sequence[Case]) -> str:
    """The page. Pure: equal findings give equal text."""
    return page.page(
        f"What {record.bundle} has learned",
        [_summary(record), _figures(record), _routes(record), _changed(record, cases)],
    )


def worse(record: LearnRecord) -> tuple[str, ...]:
    """Return sentences on the parts judged worse than before, the costliest first; empty where none
    is. They count parts that changed sides, by side, regardless of improvements elsewhere."""
    found = []
    for what, bad, now in (("defective", True, "PASS"), ("good", False, "REJECT")):
        for name, side in record.sides.items():
            count = sum(
                each.side == name and each.bad is bad and each.after == now
                for each in record.changed
            )
            if not count:
                continue
            before, after, total = (
                (side.escapes_before, side.escapes_after, side.bad)
                if bad
                else (side.false_rejects_before, side.false_rejects_after, side.good)
            )
            verdict = "passed" if bad else "rejected"
            found.append(
                f"{count} {what} parts of side “{name}” are now {verdict} that were not: {verdict} "
                f"{before} of {total} before, {after} of {total} now."
            )
    return tuple(found)


def _summary(record: LearnRecord) -> str:
    rows = [
        ("bundle", record.old_bundle, record.bundle),
        ("T", _number(record.before.threshold), _number(record.after.threshold)),
        (KEPT, _kept(record.before), _kept(record.after)),
        ("block classifier", "", "trained further" if record.classifier_changed else "the same"),
        ("detector", "", _detector(record)),
    ]
    return page.section(
        "Summary",
        page.paragraph(
            f"Learned by the route “{record.route}”. {_capital(record.proven)}.", "lead"
        ),
        *(page.paragraph(line, "warning") for line in worse(record)),
        *([] if worse(record) else [page.paragraph("No part is judged worse than before.")]),
        page.table(("", "before", "now"), rows),
        page.paragraph(
            f"All {record.golden_frames} golden frames of the old bundle are decided as before. "
            f"Allowed were {record.new_escapes_allowed} new escapes, and false rejects on old "
            f"validation parts growing by {percent(record.more_false_rejects_allowed)} of the good "
            "ones."
        ),
        *(
            [
                page.paragraph(
                    "The side “synthetic” holds generated bad parts with the new appearance, "
                    "because no picture of such a part exists. They are made from validation parts "
                    "and marked good parts. Where the new appearance covers a small region, that "
                    "region is pasted onto bad validation parts. Where it covers the whole part, "
                    "known defects are pasted onto the marked good parts. Where no validation part "
                    "is bad, synthetic defects are used. "
                    f"{percent(record.synthetic_escapes_allowed)} of them may be passed. The old "
                    "bundle rejected most of them because of the appearance alone. Real bad parts "
                    "with the new appearance give better evidence: mark those that are rejected as "
                    "true-reject."
                )
            ]
            if "synthetic" in record.sides
            else []
        ),
    )


def _figures(record: LearnRecord) -> str:
    rows = []
    for name, side in record.sides.items():
        rows += [
            (
                f"{name}: escapes",
                counted(side.escapes_before, side.bad),
                counted(side.escapes_after, side.bad),
            ),
            (
                f"{name}: false rejects",
                counted(side.false_rejects_before, side.good),
                counted(side.false_rejects_after, side.good),
            ),
        ]
    return page.section(
        "Before and after",
        page.paragraph(
            "Both bundles as a station runs them, on the same pictures. validation: the old "
            "run's. learned: marked parts that the settings or the networks were chosen on; that "
            "these are right says little. held back: the later marked parts, which nothing was "
            "learned from. Marked parts are mistakes of the old bundle by choice, so its rates on "
            "them are no rates of the line."
        ),
        page.table(("", "before", "now"), rows),
    )


def _routes(record: LearnRecord) -> str:
    rows = [
        (
            tried.route,
            "–" if tried.settings is None else _number(tried.settings.threshold),
            "–" if tried.settings is None else _kept(tried.settings),
            tried.fault or ("taken" if tried.route == record.route else "another was better"),
        )
        for tried in record.tried
    ]
    return page.section("Ways that were tried", page.table(("route", "T", KEPT, "outcome"), rows))


def _changed(record: LearnRecord, cases: Sequence[Case]) -> str:
    rows = [
        (each.name, each.side, "defective" if each.bad else "good", each.before, each.after)
        for each in record.changed
    ]
    return page.section(
        "Decisions that changed",
        page.paragraph("Left what the old bundle sees, right the new one: orange is reported."),
        *(page.case(case) for case in cases),
        page.folded("All of them", page.table(("part", "side", "it is", "before", "now"), rows)),
    )


def _detector(record: LearnRecord) -> str:
    if record.detector_changed:
        return "trained anew" if record.route == "method" else "trained further"
    # It is calibrated on the marked good parts too.
    return "the same, int8 made anew" if record.classifier_changed else "the same, byte for byte"


def _shown(chain: Inspector, picture: Picture) -> str:
    try:
        return marked_uri(picture, chain.examine(Frame(0, 0, 0, 0, picture.pixels)))
    except FrameError:
        return data_uri(shrunk(picture.pixels))


def _kept(settings: SettingsRecord) -> str:
    return "–" if settings.keep_severity is None else _number(settings.keep_severity)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _number(value: float) -> str:
    return f"{value:.4g}"
