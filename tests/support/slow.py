"""Members of families of tests that repeat a slow preparation: left out unless asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

VARIABLE = "OUTFEED_SLOW"
REASON = "slow: make test SLOW=yes"


def skip_slow(items: Iterable[pytest.Item], environment: Mapping[str, str]) -> None:
    """Skip tests with the mark ``slow``, with a reason, unless the environment has OUTFEED_SLOW.

    A family keeps members without the mark: one of each kind of thing that can differ.
    """
    if environment.get(VARIABLE):
        return
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.skip(reason=REASON))
