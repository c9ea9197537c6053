"""The findings of a run of ``make system-test``: a line each, printed at once."""

from __future__ import annotations


class Findings:
    """failed: how many were wrong."""

    def __init__(self) -> None:
        self.failed = 0

    def add(self, fine: object, what: str) -> None:
        print(f"{'PASS' if fine else 'FAIL'}  {what}", flush=True)
        self.failed += not fine
