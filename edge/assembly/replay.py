"""The selection of stored parts for a replay, and the output for each of them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from edge.assembly.chain import engine_choice
from edge.engines.registry import EngineChoice
from edge.errors import OutfeedError, PictureError, UsageError
from edge.pictures.file_name import list_pictures
from edge.pictures.png import read_text
from edge.pictures.record import PictureRecord, parse_record
from edge.replay import ReplayChains, ReplayedPart, ReplayOutcome, replay_part
from edge.replay.canonical import canonical
from edge.replay.journalled import find_disagreement, part_events
from edge.validation_messages import one_line, printable


def select(album: Path, parts: Sequence[int], *, everything: bool, last: int | None) -> list[Path]:
    """Return the selected pictures, the oldest first.

    If several journals have used a part number, it is the newest picture. Raises UsageError, and
    PictureError for a part without a picture.
    """
    if sum((bool(parts), everything, last is not None)) != 1:
        raise UsageError("replay takes PARTs, --all or --last N")
    names = list_pictures(album)
    if not names:
        raise PictureError(f"{album}: holds no picture")
    if last is not None:
        names = names[-last:]
    if parts:
        newest = {name.part_id: name for name in names}
        missing = [str(number) for number in parts if number not in newest]
        if missing:
            raise PictureError(f"{album}: holds no picture of part {', '.join(missing)}")
        names = [newest[number] for number in parts]
    return [album / str(name) for name in names]


def chosen_engine(name: str | None, precision: str | None, threads: int) -> EngineChoice | None:
    """Return the engine of --engine; None: the one that inspected each part. Raises UsageError."""
    if name is None:
        if precision is not None or threads != 1:
            raise UsageError("--precision and --threads need --engine")
        return None
    return engine_choice(name, precision, threads)


def replay_all(paths: Sequence[Path], chains: ReplayChains, *, strict: bool, as_json: bool) -> bool:
    """Replay the parts and print one line for each.

    Return whether all could be replayed and, where ``strict``, gave the recorded verdict.
    """
    counts: Counter[str] = Counter()
    tolerances: set[str] = set()
    for path in paths:
        try:
            part = replay_part(path, chains)
        except OutfeedError as error:
            counts["failed"] += 1
            print(f"outfeed: {one_line(error)}", file=sys.stderr)
            continue
        counts[part.outcome.value] += 1
        if part.tolerance is not None:
            tolerances.add(f"compared within {part.tolerance}: {', '.join(part.changed)}")
        print(_json(path, part) if as_json else printable(_line(part)))
    if not as_json:
        for each in sorted(tolerances):
            print(printable(each))
        names = (*(outcome.value for outcome in ReplayOutcome), "failed")
        counted = ", ".join(f"{counts[name]} {name}" for name in names if counts[name])
        print(f"{len(paths)} parts: {counted}")
    return not counts["failed"] and not (strict and counts[ReplayOutcome.DIFFERS.value])


def compare_with_journal(paths: Sequence[Path], journal: Path) -> bool:
    """Return whether the events of the journal agree with the records of the pictures.

    Each difference is one line on standard error. Raises JournalError.
    """
    records: list[PictureRecord] = []
    for path in paths:
        with suppress(OutfeedError):  # replay_all has reported it
            records.append(parse_record(read_text(path), name=path.name))
    events = part_events(journal, {record.part_id for record in records})
    agree = True
    for record in records:
        message = find_disagreement(record, events.get(record.part_id))
        if message is not None:
            agree = False
            print(f"outfeed: part {record.part_id}: {one_line(message)}", file=sys.stderr)
    return agree


def _line(part: ReplayedPart) -> str:
    verdict = part.verdict
    words = [f"part {part.record.part_id}: {part.outcome.value}: {verdict.decision.value}"]
    words.append(f"({verdict.reason})")
    if part.outcome is ReplayOutcome.UNJUDGED and part.record.verdict is not None:
        words.append(f"[then: {part.record.verdict.reason}]")
    if part.outcome is ReplayOutcome.DIFFERS:
        words.append(f"[{part.difference}]")
    return " ".join(words)


def _json(path: Path, part: ReplayedPart) -> str:
    record, recorded = part.record, part.record.chain_verdict
    return json.dumps(
        {
            "part_id": record.part_id,
            "picture": path.name,
            "outcome": part.outcome.value,
            "difference": part.difference,
            "tolerance": None if part.tolerance is None else str(part.tolerance),
            "changed": list(part.changed),
            "bundle": part.chain.origin.bundle,
            "engine": part.chain.origin.engine,
            "outfeed_then": record.origin.outfeed,
            "marks": [mark.kind for mark in record.marks],
            "recorded": None if recorded is None else json.loads(canonical(recorded)),
            "seen": json.loads(canonical(part.verdict)),
        }
    )
