"""The disk, the journal on it, and how far it is published."""

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
from edge.doctor.finding import Finding, fail, fine, warn
from edge.journal.audit import audit
from edge.journal.cursor import read_cursor
from edge.journal.store import FORMAT, companion, meta, one, read_names, size_bytes

_LATELY = 200  # events
_AUDIT_S = 2.0  # for a look at every row: some 200,000 of them, 90 MB
_TAKEN_OVER = "the next start takes over every row that can be proven; keep a copy"
_UNKNOWN_SHARE = 0.05
_QUIET_S = 600.0
_BEHIND_S = 300.0
_SPARE_BYTES = 16 << 20  # beside what the journal may still grow to


def disk(context: DiagnosticContext) -> Finding:
    """Room for the journal, inodes, and whether it can be written at all."""
    folder = context.config.state_dir
    try:
        state = context.machine.statvfs(folder)
    except OSError as error:
        return fail("disk", f"{folder}: {error.strerror}", "state_dir of station.toml")
    if state.f_flag & os.ST_RDONLY:
        return fail("disk", f"{folder} is read-only", "dmesg: a damaged card is mounted so")
    if not os.access(folder, os.W_OK):
        return fail("disk", f"this user may not write to {folder}", "sudo -u outfeed …")
    free = state.f_bavail * state.f_frsize
    grows = max(0, context.config.journal.max_bytes - _journal_bytes(context.config.paths.journal))
    said = f"{free >> 20} MiB free"
    if free < _SPARE_BYTES:
        return fail("disk", said, "du -x; the journal takes nothing more, and verdicts are lost")
    if free < grows + _SPARE_BYTES:
        need = f"{said}, the journal may grow by {grows >> 20}"
        return warn("disk", need, "room, or a smaller journal.max_mb")
    pictures = context.config.pictures
    if pictures.enabled and free < pictures.min_free_bytes:
        need = f"{said}, pictures.min_free_mb is {pictures.min_free_mb:g}: no picture is kept"
        return warn("disk", need, "room, or a smaller pictures.min_free_mb")
    if state.f_files and state.f_favail < max(100, state.f_files // 100):
        return warn("disk", f"{state.f_favail} inodes left", "many small files: find and remove")
    return fine("disk", said)


def emptied(context: DiagnosticContext) -> Finding | None:
    """Files of the state that a power cut has left with nothing in them."""
    folder = context.config.state_dir
    found = [
        str(path.relative_to(folder))
        for pattern in ("*.json", "*.sqlite", "inbox/*.json", "pictures/*.png", "bundles/*")
        for path in sorted(folder.glob(pattern))
        if was_emptied(path)
    ]
    if not found:
        return None
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    said = f"as after a power cut: {', '.join(found[:5])}{more}"
    advice = "the station goes on from copies or begins them anew; is the card worn out?"
    return warn("emptied files", said, advice)


def journal(context: DiagnosticContext) -> Finding:
    """Return whether it is whole: every row, and where no station runs every page."""
    path = context.config.paths.journal
    if not size_bytes(path):
        if context.running is None:
            return fine("journal", "none yet")
        said = f"{path} cannot be opened by the station that runs: its events are lost"
        return fail("journal", said, "check disk; the log says journal_open_refused, and why")
    try:
        with closing(_open(context)) as db:
            version = one(db, "PRAGMA user_version")
            if version > FORMAT:
                return fail("journal", f"written by a newer Outfeed (format {version})", "update")
            names = read_names(db)
            owner = meta(db, "station") if names is None else names.station
            if owner != context.config.id:
                advice = "one folder per station: move it away"
                return fail("journal", f"belongs to station '{owner}'", advice)
            if context.running is None:
                found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    return fail("journal", f"damaged: {found}", _TAKEN_OVER)
            if names is None and version == FORMAT:
                return fail("journal", "damaged: its name cannot be proven", _TAKEN_OVER)
            rows = None if names is None else audit(db, names.journal, within_s=_AUDIT_S)
    except sqlite3.Error as error:
        return fail("journal", f"cannot be read: {error}", _TAKEN_OVER)
    if rows is not None and (rows.damaged or rows.missing):
        at = ", ".join(str(each) for each in rows.examples)
        said = (
            f"{rows.damaged} rows damaged, {rows.missing} missing, at {at} of {rows.proven} whole"
        )
        advice = "they are published as gaps, the rest goes on; is the card worn out?"
        return warn("journal", said, advice)
    size, cap = _journal_bytes(path), context.config.journal.max_bytes
    said = f"whole, {size / (1 << 20):.1f} of {cap >> 20} MiB"
    if rows is None:
        said += f", of format {version}: the next start brings it up to date"
    elif not rows.is_complete:
        said += f", the newest {rows.proven} rows looked at"
    if size > cap:
        return warn("journal", said, "above its cap: a reader that hangs? systemctl restart …")
    return fine("journal", said)


def parts(context: DiagnosticContext) -> Finding | None:
    """What became of the last parts, and how long ago."""
    rows = _rows(context, f"SELECT body FROM events ORDER BY sequence DESC LIMIT {_LATELY}")
    events = [event for row in rows if (event := _event(row[0]))]
    judged = [event for event in events if "decision" in event]
    if not judged:
        return None
    ago_s = context.machine.now_s() - _seconds(events[0].get("utc", ""))
    unknown = [event for event in judged if event["decision"] == "UNKNOWN"]
    said = f"the last {_age(ago_s)} ago, {len(unknown)} of {len(judged)} unknown"
    if len(unknown) > _UNKNOWN_SHARE * len(judged):
        reasons = Counter(str(event.get("reason", "")).split(":")[0] for event in unknown)
        advice = f"mostly: {reasons.most_common(1)[0][0]}"
        level = fail if 2 * len(unknown) > len(judged) else warn
        return level("parts", said, advice)
    if context.running is not None and ago_s > _QUIET_S:
        return warn("parts", said, "does the belt run? the photo-eye's lamp; check gpio")
    return fine("parts", said)


def uplink(context: DiagnosticContext) -> Finding | None:
    """Events that the central system has not got yet."""
    path = context.config.paths.journal
    if not size_bytes(path):
        return None
    position = read_cursor(context.config.paths.cursor)
    rows = _rows(context, "SELECT value FROM meta WHERE key = 'journal'")
    same = position is not None and bool(rows) and position.journal == rows[0][0]
    published = position.published if position is not None and same else 0
    waiting = _rows(
        context,
        f"SELECT count(*), min(sequence) FROM events WHERE sequence > {published}",
    )
    count, first = waiting[0] if waiting else (0, None)
    if not count:
        return fine("uplink", "everything is published")
    rows = _rows(context, f"SELECT body FROM events WHERE sequence = {first}")
    since_s = 0.0
    if rows:
        since_s = context.machine.now_s() - _seconds(_event(rows[0][0]).get("utc", ""))
    said = f"{count} events unpublished, the oldest {_age(since_s)} old"
    if since_s > _BEHIND_S:
        return warn("uplink", said, "systemctl status outfeed-uplink; check broker")
    return fine("uplink", said)


def _open(context: DiagnosticContext) -> sqlite3.Connection:
    """Read-only. Beside a station as its uplink does; without one as a file that nobody changes, so
    that not even SQLite's own files are made."""
    name = quote(str(context.config.paths.journal))
    option = "mode=ro" if context.running is not None else "mode=ro&immutable=1"
    db = sqlite3.connect(f"file:{name}?{option}", uri=True, timeout=0.2, isolation_level=None)
    db.text_factory = lambda text: text.decode(errors="replace")  # a damaged one is no valid UTF-8
    return db


def _rows(context: DiagnosticContext, statement: str) -> list[tuple[object, ...]]:
    """Empty where the journal cannot be read, which check "journal" says."""
    if not size_bytes(context.config.paths.journal):
        return []
    try:
        with closing(_open(context)) as db:
            return db.execute(statement).fetchall()
    except sqlite3.Error:
        return []


def _event(body: object) -> dict[str, Any]:
    """The keys of a row; none of one that is damaged."""
    try:
        found = json.loads(str(body))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


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
