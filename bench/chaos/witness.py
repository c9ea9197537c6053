"""The times at which the ejector was open, by the record of the simulated output."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.devices.output import OutputEdge
from edge.devices.output_simulated import read_claims, read_record


@dataclass(frozen=True, slots=True)
class OpenSpan:
    """An interval in which the ejector was open, CLOCK_MONOTONIC."""

    from_ns: int
    to_ns: int


class Ejector:
    """The intervals in which the ejector was open, oldest first."""

    def __init__(self, spans: Sequence[OpenSpan]) -> None:
        self._spans = sorted(spans, key=lambda span: span.from_ns)
        self._begins = [span.from_ns for span in self._spans]

    @classmethod
    def read(cls, record: Path) -> Ejector:
        """Read the record of a simulated output.

        A line that a killed process left active stays active until the next process claims it.
        """
        claims = [OutputEdge(False, at_ns) for at_ns in read_claims(record)]
        edges = sorted([*read_record(record), *claims], key=lambda edge: edge.at_ns)
        spans: list[OpenSpan] = []
        began_ns: int | None = None
        for edge in edges:
            if began_ns is not None and not edge.active:
                spans.append(OpenSpan(began_ns, edge.at_ns))
                began_ns = None
            elif began_ns is None and edge.active:
                began_ns = edge.at_ns
        if began_ns is not None:
            spans.append(OpenSpan(began_ns, 1 << 62))
        return cls(spans)

    def __len__(self) -> int:
        return len(self._spans)

    def opens(self, from_ns: int, until_ns: int) -> bool:
        """Return whether the ejector was open at any time in [from_ns, until_ns)."""
        index = bisect_left(self._begins, until_ns) - 1
        return index >= 0 and self._spans[index].to_ns > from_ns
