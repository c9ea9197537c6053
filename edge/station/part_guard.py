"""Guards around the work on one part. An exception, a missing frame or a wrong verdict makes that
part UNKNOWN, and the line runs on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from logging import getLogger
from typing import TypeVar

from edge.devices.camera import Camera, EndOfFrames
from edge.errors import DeviceError, FrameError, OutfeedError
from edge.line.freshness import Freshness, Refusal
from edge.line.part import Part
from edge.records import Decision, Frame, Verdict
from edge.validation_messages import one_line

_log = getLogger(__name__)
_T = TypeVar("_T")

_REASON_CHARS = 400


def attempt(part_id: int, step: Callable[[], _T]) -> _T | Verdict:
    """Run a step for one part and return its result.

    Where the step raises an exception, return the verdict UNKNOWN with the error as the reason.
    EndOfFrames is not an error and is raised again.
    """
    try:
        return step()
    except EndOfFrames:
        raise
    except OutfeedError as error:
        _log.debug("part_unknown part=%s reason=%s", part_id, error)
        reason = one_line(error)
    except Exception as error:  # noqa: BLE001 - a bug in one part's inspection must not stop the line
        _log.exception("part_failed part=%s", part_id)
        reason = f"internal error: {type(error).__name__}: {one_line(error)}"
    # The reason goes to the journal and the broker. A long file name must not fill them.
    return Verdict.unknown(part_id, reason=reason[:_REASON_CHARS])


def capture_frame(camera: Camera, freshness: Freshness, part: Part, sequence: int) -> Frame:
    """Return the camera's frame of a part. Blocks until it is there.

    Raises the camera's DeviceError or FrameError, after counting the frame as missing.
    """
    try:
        return camera.capture(part.part_id, sequence, part.triggered_ns)
    except DeviceError:
        freshness.count_missing(part, Refusal.NO_CAMERA)
        raise
    except FrameError:
        freshness.count_missing(part, Refusal.NO_FRAME)
        raise


def late_verdict(part: Part, now_ns: int, budget_ns: int) -> Verdict:
    """Return the verdict UNKNOWN for a part whose budget is over."""
    elapsed_ms = (now_ns - part.triggered_ns) / 1e6
    reason = f"late: {elapsed_ms:.1f} ms, budget {budget_ns / 1e6:g} ms"
    return Verdict.unknown(part.part_id, reason=reason)


def overload_verdict(part: Part) -> Verdict:
    """Return the verdict UNKNOWN for a part that found a queue full."""
    return Verdict.unknown(part.part_id, reason="overload")


def check_part_id(verdict: Verdict, part: Part) -> Verdict:
    """Return the verdict, or UNKNOWN where the verdict is on another part."""
    if verdict.part_id == part.part_id:
        return verdict
    reason = f"verdict refused: of part {verdict.part_id}, expected {part.part_id}"
    return Verdict.unknown(part.part_id, reason=reason)


def withhold_pass(verdict: Verdict, reason: str | None) -> Verdict:
    """Return the verdict, but UNKNOWN in place of PASS while there is a reason against PASS."""
    if verdict.decision is not Decision.PASS or reason is None:
        return verdict
    return replace(verdict, decision=Decision.UNKNOWN, reason=reason)
