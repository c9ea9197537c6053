"""The part loop's guard."""

from __future__ import annotations

from collections.abc import Callable
from logging import getLogger
from typing import TypeVar

from edge.devices.camera import EndOfFrames
from edge.errors import OutfeedError
from edge.records import Verdict
from edge.validation_messages import one_line

_log = getLogger(__name__)
_T = TypeVar("_T")

_REASON_CHARS = 400


def attempt(part_id: int, step: Callable[[], _T]) -> _T | Verdict:
    """What the step returns. Whatever goes wrong with one part makes that part UNKNOWN: then its
    verdict, with the error as the reason. EndOfFrames passes: it is no error."""
    try:
        return step()
    except EndOfFrames:
        raise
    except OutfeedError as error:
        _log.debug("part_unknown part=%s reason=%s", part_id, error)
        reason = one_line(error)
    except Exception as error:  # noqa: BLE001 - the one broad except, see STYLE
        _log.exception("part_failed part=%s", part_id)
        reason = f"internal error: {type(error).__name__}: {one_line(error)}"
    # It goes to the journal and to the broker: no name of a file may break or fill them.
    return Verdict.unknown(part_id, reason=reason[:_REASON_CHARS])
