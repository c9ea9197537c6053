"""Fixtures of the label page's tests."""

from tests.support.chromium import chromium

__all__ = ["chromium"]
