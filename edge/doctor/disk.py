"""Checks of the disk, the journal, the last parts and the uplink's position."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edge.bounded_reads import was_emptied
from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import DiagnosticFinding, fail, fine, warn
from edge.journal.audit import audit
from edge.journal.cursor import read_cursor
from edge.journal.store import FORMAT, companion, meta, one, read_names, size_bytes

_RECENT_EVENTS = 200
_AUDIT_S = 2.0  # time for the check of all rows: about 200,000 rows, 90 MB
_SALVAGE = "keep a copy; the next start takes over every row that can be verified"
_UNKNOWN_SHARE = 0.05
_QUIET_S = 600.0
_BEHIND_S = 300.0
_SPARE_BYTES = 16 << 20  # free space beside the growth of the journal


def disk(context: DiagnosticContext) -> DiagnosticFinding:
    """Check the free space, the inodes, and that the state folder can be written."""
    folder = context.config.state_dir
    try:
        state = context.machine.statvfs(folder)
    except OSError as error:
        return fail("disk", f"{folder}: {error.strerror}", "check state_dir in station.toml")
    if state.f_flag & os.ST_RDONLY:
        return fail(
            "disk", f"{folder} is read-only", "read dmesg: Linux mounts a damaged card read-only"
        )
    if not os.access(folder, os.W_OK):
        return fail("disk", f"this user may not write to {folder}", "run with sudo -u outfeed …")
    free = state.f_bavail * state.f_frsize
    grows = max(0, context.config.journal.max_bytes - _journal_bytes(context.config.paths.journal))
    message = f"{free >> 20} MiB free"
    if free < _SPARE_BYTES:
        return fail(
            "disk", message, "free space (du -x): the journal stores nothing, and verdicts are lost"
        )
    if free < grows + _SPARE_BYTES:
        need = f"{message}, the journal may grow by {grows >> 20}"
        return warn("disk", need, "free space, or set a smaller journal.max_mb")
    pictures = context.config.pictures
    if pictures.enabled and free < pictures.min_free_bytes:
        need = f"{message}, pictures.min_free_mb is {pictures.min_free_mb:g}: no picture is stored"
        return warn("disk", need, "free space, or set a smaller pictures.min_free_mb")
    if state.f_files and state.f_favail < max(100, state.f_files // 100):
        return warn("disk", f"{state.f_favail} inodes left", "find and remove small files")
    return fine("disk", message)


def emptied(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Report files of the state folder that a power cut has left empty."""
    folder = context.config.state_dir
    names = [
        str(path.relative_to(folder))
        for pattern in ("*.json", "*.sqlite", "inbox/*.json", "pictures/*.png", "bundles/*")
        for path in sorted(folder.glob(pattern))
        if was_emptied(path)
    ]
    if not names:
        return None
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    message = f"as after a power cut: {', '.join(names[:5])}{more}"
    advice = "the station uses copies or creates them again; check whether the card is worn out"
    return warn("emptied files", message, advice)


def journal(context: DiagnosticContext) -> DiagnosticFinding:
    """Check every row of the journal and, where no station runs, every page of the database."""
    path = context.config.paths.journal
    if not size_bytes(path):
        if context.running is None:
            return fine("journal", "none yet")
        message = f"{path} cannot be opened by the running station: its events are lost"
        return fail(
            "journal",
            message,
            "see the check disk; the log gives the reason after journal_open_refused",
        )
    try:
        with closing(_open(context)) as db:
            version = one(db, "PRAGMA user_version")
            if version > FORMAT:
                return fail(
                    "journal", f"written by a newer Outfeed (format {version})", "update Outfeed"
                )
            names = read_names(db)
            owner = meta(db, "station") if names is None else names.station
            if owner != context.config.id:
                advice = "move it away: each station needs its own folder"
                return fail("journal", f"belongs to station '{owner}'", advice)
            if context.running is None:
                result = db.execute("PRAGMA quick_check(1)").fetchone()[0]
                if result != "ok":
                    return fail("journal", f"damaged: {result}", _SALVAGE)
            if names is None and version == FORMAT:
                return fail("journal", "damaged: its name cannot be verified", _SALVAGE)
            rows = None if names is None else audit(db, names.journal, within_s=_AUDIT_S)
    except sqlite3.Error as error:
        return fail("journal", f"cannot be read: {error}", _SALVAGE)
    if rows is not None and (rows.damaged or rows.missing):
        at = ", ".join(str(each) for each in rows.examples)
        message = (
            f"{rows.damaged} rows damaged, {rows.missing} missing, at {at}; {rows.proven} intact"
        )
        advice = "they are published as gaps; check whether the card is worn out"
        return warn("journal", message, advice)
    size, cap = _journal_bytes(path), context.config.journal.max_bytes
    message = f"intact, {size / (1 << 20):.1f} of {cap >> 20} MiB"
    if rows is None:
        message += f", format {version}: the next start converts it"
    elif not rows.is_complete:
        message += f", the newest {rows.proven} rows checked"
    if size > cap:
        return warn(
            "journal",
            message,
            "above its capacity: a reader may hang; systemctl restart outfeed-station",
        )
    return fine("journal", message)


def parts(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Report the age of the last parts and the share of UNKNOWN."""
    rows = _rows(context, f"SELECT body FROM events ORDER BY sequence DESC LIMIT {_RECENT_EVENTS}")
    events = [event for row in rows if (event := _event(row[0]))]
    parts = [event for event in events if "decision" in event]
    if not parts:
        return None
    ago_s = context.machine.now_s() - _seconds(events[0].get("utc", ""))
    unknown = [event for event in parts if event["decision"] == "UNKNOWN"]
    message = f"the last {_age(ago_s)} ago, {len(unknown)} of {len(parts)} unknown"
    if len(unknown) > _UNKNOWN_SHARE * len(parts):
        reasons = Counter(str(event.get("reason", "")).split(":")[0] for event in unknown)
        advice = f"mostly: {reasons.most_common(1)[0][0]}"
        level = fail if 2 * len(unknown) > len(parts) else warn
        return level("parts", message, advice)
    if context.running is not None and ago_s > _QUIET_S:
        return warn(
            "parts",
            message,
            "check that the belt runs, the lamp of the photo-eye, and the check gpio",
        )
    return fine("parts", message)


def uplink(context: DiagnosticContext) -> DiagnosticFinding | None:
    """Report events that are not published yet, or not committed by the central system."""
    path = context.config.paths.journal
    if not size_bytes(path):
        return None
    position = read_cursor(context.config.paths.cursor)
    rows = _rows(context, "SELECT value FROM meta WHERE key = 'journal'")
    same = position is not None and bool(rows) and position.journal == rows[0][0]
    published = position.published if position is not None and same else 0
    count, first = _behind(context, published)
    state, advice = "unpublished", "read systemctl status outfeed-uplink, and see the check broker"
    if not count and position is not None and same and position.delivered < published:
        count, first = _behind(context, position.delivered)
        state = "not committed by the central system"
        advice = "check that its collector and its database run"
    if not count:
        is_committed = position is not None and position.committed is not None
        by_whom = ", and committed by the central system" if is_committed else ""
        return fine("uplink", f"all events are published{by_whom}")
    rows = _rows(context, f"SELECT body FROM events WHERE sequence = {first}")
    since_s = 0.0
    if rows:
        since_s = context.machine.now_s() - _seconds(_event(rows[0][0]).get("utc", ""))
    message = f"{count} events {state}, the oldest {_age(since_s)} old"
    return warn("uplink", message, advice) if since_s > _BEHIND_S else fine("uplink", message)


def _behind(context: DiagnosticContext, position: int) -> tuple[int, int | None]:
    """Return the number of events behind a position, and the first of them."""
    rows = _rows(context, f"SELECT count(*), min(sequence) FROM events WHERE sequence > {position}")
    count, first = rows[0] if rows else (0, None)
    return (
        count if isinstance(count, int) else 0,
        first if isinstance(first, int) else None,
    )


def _open(context: DiagnosticContext) -> sqlite3.Connection:
    """Open the journal read-only.

    While a station runs, it is opened as the uplink opens it. Otherwise it is opened as immutable,
    so that SQLite creates no files.
    """
    name = quote(str(context.config.paths.journal))
    option = "mode=ro" if context.running is not None else "mode=ro&immutable=1"
    db = sqlite3.connect(f"file:{name}?{option}", uri=True, timeout=0.2, isolation_level=None)
    db.text_factory = lambda text: text.decode(
        errors="replace"
    )  # a damaged text may be invalid UTF-8
    return db


def _rows(context: DiagnosticContext, statement: str) -> list[tuple[object, ...]]:
    """Return the rows; none where the journal cannot be read, which the check "journal" reports."""
    if not size_bytes(context.config.paths.journal):
        return []
    try:
        with closing(_open(context)) as db:
            return db.execute(statement).fetchall()
    except sqlite3.Error:
        return []


def _event(body: object) -> dict[str, Any]:
    """Return the keys of an event; none for a damaged row."""
    try:
        event = json.loads(str(body))
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _journal_bytes(path: Path) -> int:
    return sum(size_bytes(companion(path, suffix)) for suffix in ("", "-wal", "-shm"))


def _seconds(utc: str) -> float:
    try:
        return datetime.fromisoformat(utc.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
