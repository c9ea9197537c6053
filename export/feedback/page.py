"""learn.html: the result of a retraining, on one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence

from edge.bundle import Bundle
from edge.chain.inspector import Inspector
from edge.errors import FrameError
from edge.records import Frame
from export.feedback.comparison import open_chain
from export.feedback.record import LearnRecord, SettingsRecord
from models.evaluation.interval import counted, percent
from models.feedback import FeedbackDataset
from models.report import page
from models.report.cases import Case, data_uri, marked_uri, shrunk
from models.training.patches import Picture

PAGE = "learn.html"
KEEP_SEVERITY = "keep severity"
MOST = 16  # number of shown parts with a changed decision


def find_cases(
    feedback: FeedbackDataset, record: LearnRecord, old: Bundle, new: Bundle
) -> tuple[Case, ...]:
    """Return parts with a changed decision: left the old bundle, right the new one.

    Parts that are worse than before come first, bad ones before good ones. Blocks for both chains.
    """
    held_back = (marked.picture for marked in feedback.held_back)
    pictures = (*feedback.selection, *feedback.synthetic_held_back, *held_back)
    by_name = {picture.sample.name: picture for picture in pictures}
    chains = open_chain(old), open_chain(new)
    order = sorted(
        record.changed,
        key=lambda each: ((each.after == "PASS") is not each.bad, not each.bad, each.side),
    )
    results = []
    for changed in order[:MOST]:
        picture = by_name[changed.name]
        part = f"{'defective' if changed.bad else 'good'} part, {changed.side}"
        caption = f"{part}: {changed.before} before, {changed.after} now"
        left, right = (_shown(chain, picture) for chain in chains)
        results.append(Case(changed.name, caption, left, right))
    return tuple(results)


def render(record: LearnRecord, cases: Sequence[Case]) -> str:
    """Return the page as HTML. Pure: equal records give equal text."""
    return page.page(
        f"Retraining of {record.bundle}",
        [_summary(record), _figures(record), _routes(record), _changed(record, cases)],
    )


def worse(record: LearnRecord) -> tuple[str, ...]:
    """Return sentences on the parts with a worse decision than before, the most expensive first.

    They count the changed decisions of each side, without regard to improvements elsewhere. Empty
    where no part is worse.
    """
    results = []
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
            results.append(
                f"{count} {what} parts of the side “{name}” are now {verdict} and were not before: "
                f"{before} of {total} before, {after} of {total} now."
            )
    return tuple(results)


def _summary(record: LearnRecord) -> str:
    rows = [
        ("bundle", record.old_bundle, record.bundle),
        ("T", _number(record.before.threshold), _number(record.after.threshold)),
        (KEEP_SEVERITY, _keep_severity(record.before), _keep_severity(record.after)),
        ("reject severity", _reject_severity(record.before), _reject_severity(record.after)),
        ("block classifier", "", "trained further" if record.classifier_changed else "unchanged"),
        ("detector", "", _detector(record)),
    ]
    return page.section(
        "Summary",
        page.paragraph(
            f"Retrained by the route “{record.route}”. {_capital(record.proven)}.", "lead"
        ),
        *(page.paragraph(line, "warning") for line in worse(record)),
        *([] if worse(record) else [page.paragraph("No part has a worse decision than before.")]),
        page.table(("", "before", "now"), rows),
        page.paragraph(
            f"All {record.golden_frames} golden frames of the old bundle have the same decision as "
            f"before. The limits allowed {record.new_escapes_allowed} new escapes, and more false "
            "rejects on validation parts by at most "
            f"{percent(record.more_false_rejects_allowed)} of the good parts."
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
            "Both bundles inspected the same pictures, as on a station. The side “validation” "
            "holds the validation parts of the old run. The side “learned” holds marked parts that "
            "were used for training or for the choice of settings, so right verdicts on them prove "
            "little. The side “held back” holds later marked parts, which were not used. Marked "
            "parts were selected because their verdicts were wrong, so the rates on them are not "
            "rates of the line."
        ),
        page.table(("", "before", "now"), rows),
    )


def _routes(record: LearnRecord) -> str:
    rows = [
        (
            tried.route,
            "–" if tried.settings is None else _number(tried.settings.threshold),
            "–" if tried.settings is None else _keep_severity(tried.settings),
            tried.fault or ("used" if tried.route == record.route else "another route was better"),
        )
        for tried in record.tried
    ]
    return page.section(
        "Routes that were tried", page.table(("route", "T", KEEP_SEVERITY, "result"), rows)
    )


def _changed(record: LearnRecord, cases: Sequence[Case]) -> str:
    rows = [
        (each.name, each.side, "defective" if each.bad else "good", each.before, each.after)
        for each in record.changed
    ]
    return page.section(
        "Decisions that changed",
        page.paragraph(
            "Left: the old bundle. Right: the new bundle. Orange is the reported region."
        ),
        *(page.case(case) for case in cases),
        page.folded(
            "All changed decisions",
            page.table(("part", "side", "defective or good", "before", "now"), rows),
        ),
    )


def _detector(record: LearnRecord) -> str:
    if record.detector_changed:
        return "trained from the start" if record.route == "method" else "trained further"
    # With a new classifier the detector is calibrated on the marked good parts as well.
    return "unchanged, quantised again" if record.classifier_changed else "unchanged"


def _shown(chain: Inspector, picture: Picture) -> str:
    try:
        return marked_uri(picture, chain.examine(Frame(0, 0, 0, 0, picture.pixels)))
    except FrameError:
        return data_uri(shrunk(picture.pixels))


def _reject_severity(settings: SettingsRecord) -> str:
    return "–" if settings.reject_severity is None else _number(settings.reject_severity)


def _keep_severity(settings: SettingsRecord) -> str:
    return "–" if settings.keep_severity is None else _number(settings.keep_severity)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _number(value: float) -> str:
    return f"{value:.4g}"
