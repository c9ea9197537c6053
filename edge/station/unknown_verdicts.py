"""Verdicts that the chain did not give, or that are taken back from it."""

from __future__ import annotations

from dataclasses import replace

from edge.line.part import Part
from edge.records import Decision, Verdict


def late(part: Part, now_ns: int, budget_ns: int) -> Verdict:
    """Of a part whose budget is over."""
    took_ms = (now_ns - part.triggered_ns) / 1e6
    reason = f"late: {took_ms:.1f} ms, budget {budget_ns / 1e6:g} ms"
    return Verdict.unknown(part.part_id, reason=reason)


def overload(part: Part) -> Verdict:
    """Of a part that found a queue full."""
    return Verdict.unknown(part.part_id, reason="overload")


def of_its_part(verdict: Verdict, part: Part) -> Verdict:
    """A verdict of another part is none."""
    if verdict.part_id == part.part_id:
        return verdict
    reason = f"verdict refused: of part {verdict.part_id}, expected {part.part_id}"
    return Verdict.unknown(part.part_id, reason=reason)


def doubted(verdict: Verdict, doubt: str | None) -> Verdict:
    """A chain that may be blind calls no part good. doubt: why it may be; None: it sees."""
    if verdict.decision is not Decision.PASS or doubt is None:
        return verdict
    return replace(verdict, decision=Decision.UNKNOWN, reason=doubt)
