"""The sections of the report on the training data, the advice and the cases, as HTML."""

from __future__ import annotations

from pathlib import Path

from models.data.facts import parts_of
from models.evaluation.interval import counted, percent, share_of
from models.evaluation.promise import allowed_of, escapes_at
from models.evaluation.tradeoff.point import operating_point
from models.report import page
from models.report.advice import advise, of_kind
from models.report.findings import Findings
from models.report.plots import Series, line_plot

OTHER_LIMITS = (0.001, 0.01, 0.02, 0.05, 0.1)


def summary(findings: Findings) -> str:
    point = operating_point(findings.result.threshold, findings.metrics)
    held_back = findings.validation
    chain = f"The float chain at {point}."
    promise = findings.result.promise
    lead, facts = chain, []
    if promise is not None:
        lead = (
            f"In a shift {promise.per(findings.parts_per_shift)}. Of the held-back defective parts "
            f"{counted(point.escapes, point.defective)} escape."
        )
        facts = [page.paragraph(f"{chain} Its {promise}.")]
    warnings = [page.paragraph(line, "warning") for line in findings.unknown]
    note = (
        f"Measured on {len(held_back)} validation pictures of {parts_of(held_back)} physical "
        "parts, none of which was trained on. Each picture counts as one part. Where several "
        "pictures show one part, the true intervals are wider than the given ones "
        "(Clopper-Pearson). T was chosen on the same pictures."
    )
    if findings.result.reject_severity is not None:
        note += (
            f" A defect rejects from severity {findings.result.reject_severity:g} on. Less severe "
            "ones are reported only. This limit was chosen on the same pictures as well."
        )
    return page.section(
        "Summary",
        page.paragraph(lead, "lead"),
        *warnings,
        *facts,
        page.paragraph(note),
        *_other_limits(findings),
        _bundle_line(findings),
    )


def _other_limits(findings: Findings) -> list[str]:
    """Return a table of the escapes within other limits, as the parts are ranked by their score."""
    good = sum(not outcome.defective for outcome in findings.outcomes)
    bad = len(findings.outcomes) - good
    if not good or not bad:
        return []
    rows = [
        (percent(limit), str(allowed_of(limit, good)), share_of(escapes, bad))
        for limit in sorted({*OTHER_LIMITS, findings.limit})
        for escapes in (escapes_at(findings.outcomes, limit),)
    ]
    head = ("limit of false rejects", f"rejected of {good} good parts", "escapes")
    return [
        page.table(head, rows),
        page.paragraph(
            "Other limits, by the score of the verdict. The recipe key chain.max_false_rejects or "
            "the option --max-false-rejects sets one.",
            "small",
        ),
    ]


def next_pictures(findings: Findings) -> str:
    advice = ((some.text, some.rests_on) for some in advise(findings))
    return page.section("Which pictures to take next", page.bullets(advice))


def trained_on(findings: Findings) -> str:
    record = findings.record
    sides = (findings.train, findings.validation)
    rows = []
    for kind in (*record.kinds, ""):
        cells = [kind or "good"]
        for side in sides:
            some = of_kind(side, kind)
            cells += [str(len(some)), str(parts_of(some))]
        rows.append(cells)
    rows.append(["all", *(str(n) for side in sides for n in (len(side), parts_of(side)))])
    head = ("kind", "training pictures", "parts", "validation pictures", "parts")
    unmasked = f"; {len(record.unmasked)} without a mask left out" if record.unmasked else ""
    about = (
        f"Recipe {record.recipe.name}, detector {record.recipe.detector_name}; data "
        f"{Path(record.data).name} ({record.layout}, {record.channels} channels){unmasked}. "
        "All pictures of one physical part are on the same side of the division."
    )
    recipe = page.preformatted(record.recipe.model_dump_json(indent=1))
    return page.section(
        "Training data and recipe",
        page.paragraph(about),
        page.table(head, rows),
        page.folded("The whole recipe", recipe),
    )


def losses(findings: Findings) -> str:
    found = []
    for name, curve in (
        ("Detector", findings.result.detector_loss),
        ("Classifier", findings.result.classifier_loss),
    ):
        if curve:
            series = Series("", [s for s, _ in curve], [v for _, v in curve], marker=True)
            title = f"{name}: training loss"
            found.append(
                page.plot(line_plot((series,), title=title, x_label="step", y_label="loss"))
            )
    return page.section("Loss", *found)


def cases(findings: Findings) -> str:
    found = [
        page.paragraph(
            "Results of the float chain at the run's T. Left: the frame. Right: blue is the "
            "annotated outline, orange the reported outline, yellow the severity."
        )
    ]
    for title, some in (
        ("Worst misses: defective parts that were passed", findings.cases.misses),
        ("Rejected parts with a defect that was not reported", findings.cases.overlooked),
        ("Worst false alarms", findings.cases.alarms),
    ):
        found.append(page.heading(title))
        found += [page.case(shown) for shown in some] or [page.paragraph("None.")]
    return page.section("Misses and false alarms", *found)


def _bundle_line(findings: Findings) -> str:
    exported = findings.exported
    if exported is None:
        return page.paragraph(
            "Not exported yet: make export RUN=… with this run's folder.", "small"
        )
    text = f"Exported as {Path(exported.file).name}: bundle {exported.bundle}, "
    text += exported.limits
    if exported.max_false_rejects is not None:
        text += f", chosen for at most {percent(exported.max_false_rejects)} false rejects"
    return page.paragraph(f"{text}.")
