"""The report commission.html: the commissioning record as one page without scripts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from edge.commission.record import CommissionRecord
from edge.commission.result import StepOutcome, StepReason, StepResult, rounded
from edge.html_page import Tone, badge, document, wide

_TONES: dict[StepOutcome, Tone] = {
    StepOutcome.GO: "good",
    StepOutcome.NO_GO: "bad",
    StepOutcome.SKIPPED: "open",
}


def commission_page(record: CommissionRecord, folder: Path) -> str:
    """Return the report as HTML. folder: holds the pictures; a missing picture is left out."""
    facts = [
        ("station", record.station),
        ("date", record.utc),
        ("bundle", record.bundle),
        ("machine", record.machine),
        ("versions", ", ".join(f"{name} {one}" for name, one in record.versions.items())),
    ]
    rows = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in facts)
    steps = "".join(_step(result, folder) for result in record.steps)
    title = f"Commissioning of {record.station}"
    return document(
        title,
        f"<h1>{escape(title)} {_badge(record.outcome)}</h1>\n"
        f"{_reasons(record.reason, record.reasons)}"
        f"{wide(f'<table>{rows}</table>', many=False)}\n{steps}",
    )


def _step(result: StepResult, folder: Path) -> str:
    rows = "".join(
        f'<tr><td>{escape(figure.name)}</td><td class="n{"" if figure.fits else " wrong"}">'
        f"{rounded(figure.value)} {escape(figure.unit)}</td><td>{figure.limits}</td></tr>"
        for figure in result.figures
    )
    head = "<thead><tr><th>figure</th><th></th><th>limits</th></tr></thead>"
    table = wide(f"<table>{head}{rows}</table>", many=False) if rows else ""
    notes = "".join(f"<li>{escape(note)}</li>" for note in result.notes)
    notes += "".join(
        f"<li>for station.toml, [{one.section}]: <code>{escape(one.line)}</code>, "
        f"{escape(one.why)}</li>"
        for one in result.proposals
    )
    pictures = "".join(_picture(folder / name) for name in result.pictures)
    return (
        f"<h2>{result.step} {_badge(result.outcome)}</h2>"
        f"{_reasons(result.reason, result.reasons)}<small>{result.utc[:19]} UTC</small>"
        f"{table}<ul>{notes}</ul>{pictures}\n"
    )


def _reasons(reason: str, reasons: Sequence[StepReason]) -> str:
    """Return a list of reasons with remedies, or a paragraph where there is no reason."""
    if not reasons:
        return f"<p>{escape(reason)}</p>"
    lines = "".join(
        f'<li>{escape(one.what)}<br><span class="small">{escape(one.remedy)}</span></li>'
        for one in reasons
    )
    return f"<ul>{lines}</ul>"


def _badge(outcome: StepOutcome) -> str:
    return badge(outcome.value, _TONES[outcome])


def _picture(path: Path) -> str:
    try:
        data = base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return ""
    return f'<img alt="{escape(path.name)}" src="data:image/png;base64,{data}">'
