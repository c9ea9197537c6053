"""Messages about a quarantined part, and about marks that no station has read yet."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from edge.errors import UsageError
from edge.quarantine import Claim, QuarantineEntry
from edge.validation_messages import printable

_CLAIMS: dict[str, Claim] = {each: each for each in get_args(Claim)}


def known_claim(text: str) -> Claim:
    """Return the claim of --as. Raises UsageError."""
    if text not in _CLAIMS:
        raise UsageError(f"--as {text}: expected {', '.join(_CLAIMS)}")
    return _CLAIMS[text]


def still_waiting(inbox: Path) -> str | None:
    """Return a line on the marks that no station has read yet; None where there are none."""
    try:
        count = sum(
            path.suffix == ".json" and not path.name.startswith(".") for path in inbox.iterdir()
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{inbox}: cannot be read, so marks may wait there: {error.strerror}"
    if not count:
        return None
    marks = "1 mark waits" if count == 1 else f"{count} marks wait"
    return (
        f"{inbox}: {marks} that the station has not read, and that are not in the quarantine; "
        "start the station, which reads them within a second, and collect again"
    )


def describe_entry(entry: QuarantineEntry) -> str:
    """Return a part in one line, without the control characters that a note may contain."""
    words = [f"part {entry.part_id} of {entry.station}: {entry.claim or 'no single claim'}"]
    if entry.judged is not None:
        words.append(f"was {entry.judged.decision} ({entry.judged.reason})")
    words += [f"note: {mark.note}" for mark in entry.marks if mark.note]
    words += [f"doubt: {doubt}" for doubt in entry.doubts]
    if entry.picture is None:
        words.append(f"no picture: {entry.missing}")
    if entry.released is not None:
        assert entry.release is not None
        words.append(f"released as {entry.released} by {entry.release.by}")
    elif entry.release is not None:
        words.append("its release is invalid: marks or picture have changed since")
    else:
        words.append("not released")
    line = "; ".join(words)
    return printable(f"{line} [{entry.id}]")
