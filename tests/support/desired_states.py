"""The text of a desired state for tests."""

from __future__ import annotations

from typing import Any

from edge.updates.desired import DesiredBody, DesiredBundle

REVISION = 1_790_000_000_000_000
BUNDLE = DesiredBundle(
    name="mine", version="1.2", sha256="ab" * 32, size_bytes=1000, file="mine-1.2.outfeed"
)


def body(**changes: Any) -> DesiredBody:
    values = {
        "station": "press-3",
        "revision": REVISION,
        "expires": REVISION // 1_000_000 + 86_400,
        "bundle": BUNDLE,
    }
    return DesiredBody(**{**values, **changes})
