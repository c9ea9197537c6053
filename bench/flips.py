"""Flip bits in a journal and read it: ``python -m bench.flips --flips 1000``.

Each flip changes a random bit of a journal's database, or of its write-ahead log after a kill. Then
a reader reads it as the uplink does beside a running station, and a station opens it and continues.
Every event must be returned byte for byte, or be named by a gap event. No event may be altered.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge.errors import JournalError
from edge.events.event import Event, GapEvent, gap_event, part_event
from edge.events.identity import JournalPosition, StoredEvent, parse_payload
from edge.journal.reader import JournalReader
from edge.journal.writer import Journal
from edge.records import Box, Decision, Defect, Region, Timings, Verdict

_STATION = "press-3"
_DEFECT = Defect(Region(Box(120, 64, 180, 96), 1312, 7.7, 5.1), "scratch", 0.87, "Guide rail.", 0.0)
_MAX_READS = 100_000


@dataclass(frozen=True, slots=True)
class JournalSpecimen:
    """A closed journal. folder: its files. events: the appended events by sequence number."""

    folder: Path
    events: dict[int, StoredEvent]


@dataclass(frozen=True, slots=True)
class FlipFinding:
    """The result of a flip, in events.

    named: lost events that a gap event names. altered: events that differ from the stored ones.
    missing: lost events that no gap event names.
    """

    named: int
    altered: int
    missing: int


def make_specimen(folder: Path, events: int, *, is_killed: bool) -> JournalSpecimen:
    """Fill a journal. is_killed: leave it as after SIGKILL, with a log beside the database."""
    source = folder / "source"
    source.mkdir(parents=True)
    journal = _open(source)
    for begin in range(0, events, 8):
        journal.append([_event(n) for n in range(begin, min(begin + 8, events))])
    target = folder / "specimen"
    if is_killed:
        shutil.copytree(source, target)
        journal.close()
    else:
        journal.close()
        shutil.copytree(source, target)
    with JournalReader(source / "journal.sqlite") as reader:
        return JournalSpecimen(target, {row.sequence: row for row in _read_all(reader)})


def flip_copy(specimen: JournalSpecimen, folder: Path, file: str, bit: int) -> None:
    """Copy the specimen to the folder and flip a bit of one of its files."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(specimen.folder, folder)
    with (folder / file).open("r+b") as target:
        target.seek(bit // 8)
        (byte,) = target.read(1)
        target.seek(bit // 8)
        target.write(bytes([byte ^ 1 << bit % 8]))


def read(specimen: JournalSpecimen, folder: Path) -> FlipFinding:
    """Read the journal as the uplink does.

    Damage at its end is named by the next event only, which ``reopen`` appends.
    """
    with JournalReader(folder / "journal.sqlite") as reader:
        rows = _read_all(reader)
    last = rows[-1].sequence if rows else 0
    events = {n: event for n, event in specimen.events.items() if n <= last}
    return _compare(replace(specimen, events=events), rows)


def reopen(specimen: JournalSpecimen, folder: Path) -> FlipFinding:
    """Open the journal as a station does, append an event, and read all events."""
    with _open(folder) as journal:
        written = journal.append([_event(0)])
    with JournalReader(folder / "journal.sqlite") as reader:
        rows = _read_all(reader)
    comparison = _compare(specimen, rows)
    is_there = bool(rows) and rows[-1].sequence == written.start
    return comparison if is_there else replace(comparison, missing=comparison.missing + 1)


def _open(folder: Path) -> Journal:
    return Journal.open(
        folder / "journal.sqlite",
        station=_STATION,
        max_bytes=64 << 20,
        cursor_path=folder / "uplink.json",
    )


def _event(number: int) -> Event:
    if number % 50 == 49:
        return gap_event(_STATION, count=1, reason=f"a queue was full, {number}")
    defects = (_DEFECT,) * (0, 0, 0, 1, 0, 0, 3, 0, 0, 64)[number % 10]
    timings = Timings(3312.4, 11.25, 0.0, 0.0, 4.75)
    verdict = Verdict(number, Decision.REJECT, "scratch", defects, 7.7, timings, 7.5)
    return part_event(_STATION, "textures-lean-1.0-0123456789ab", verdict, number)


def _read_all(reader: JournalReader) -> list[StoredEvent]:
    rows: list[StoredEvent] = []
    position: JournalPosition | None = None
    for _ in range(_MAX_READS):
        page = reader.read(position, 64)
        if not page:
            break
        rows += page
        position = page[-1].position
    return rows


def _compare(specimen: JournalSpecimen, rows: Sequence[StoredEvent]) -> FlipFinding:
    intact, named, altered = set[int](), set[int](), 0
    for row in rows:
        true = specimen.events.get(row.sequence)
        if true is not None and true == row:
            intact.add(row.sequence)
            continue
        _, event = parse_payload(row.payload)
        if isinstance(event, GapEvent) and event.first is not None and event.last is not None:
            named.update(range(event.first, event.last + 1))
        elif true is not None and not isinstance(event, GapEvent):
            altered += 1
    expected = set(specimen.events)
    return FlipFinding(
        named=len((expected & named) - intact),
        altered=altered,
        missing=len(expected - intact - named),
    )


def run(folder: Path, flips: int, events: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Flip bits. Return counts of the results, and a line for each wrong result."""
    dice = random.Random(seed)
    counts, wrong = Counter[str](), list[str]()
    for file, is_killed in (("journal.sqlite", False), ("journal.sqlite-wal", True)):
        specimen = make_specimen(folder / file, events, is_killed=is_killed)
        size = (specimen.folder / file).stat().st_size
        for _ in range(flips if not is_killed else max(1, flips // 4)):
            bit = dice.randrange(8 * size)
            for how, look in (("read", read), ("reopened", reopen)):
                if is_killed and how == "read":
                    continue  # a reader without a writer may not repair the log
                flip_copy(specimen, folder / "struck", file, bit)
                try:
                    comparison = look(specimen, folder / "struck")
                except JournalError as error:
                    wrong.append(f"{file} bit {bit} {how}: {error}")
                    counts[f"{file}, {how}: refused"] += 1
                    continue
                if comparison.altered or comparison.missing:
                    wrong.append(f"{file} bit {bit} {how}: {comparison}")
                    counts[f"{file}, {how}: WRONG"] += 1
                elif comparison.named:
                    counts[f"{file}, {how}: rows named as lost"] += 1
                    counts[f"{file}, {how}: most rows for one flip"] = max(
                        comparison.named, counts[f"{file}, {how}: most rows for one flip"]
                    )
                else:
                    counts[f"{file}, {how}: all events intact"] += 1
    return counts, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each result. Return 1 where an event was altered or is missing unnamed."""
    parser = argparse.ArgumentParser(prog="python -m bench.flips", description=__doc__)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--events", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        counts, wrong = run(Path(folder), given.flips, given.events, given.seed)
    for name, count in sorted(counts.items()):
        print(f"{count:6} {name}")
    for line in wrong[:100]:
        print(f"WRONG {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
