"""Which parts are replayed, and what is said of each."""

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
    """The pictures that were asked for, the oldest first; of a number that several journals gave
    out, the newest. Raises UsageError, and PictureError for a part without a picture."""
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
    """What --engine asks for; None: each part's own. Raises UsageError."""
    if name is None:
        if precision is not None or threads != 1:
            raise UsageError("--precision and --threads need --engine")
        return None
    return engine_choice(name, precision, threads)


def replay_all(paths: Sequence[Path], chains: ReplayChains, *, strict: bool, as_json: bool) -> bool:
    """Replay and print, one line each; whether all of them could be, and, where ``strict``, gave
    what was recorded."""
    counts: Counter[str] = Counter()
    tolerances: set[str] = set()
    for path in paths:
        try:
            found = replay_part(path, chains)
        except OutfeedError as error:
            counts["failed"] += 1
            print(f"outfeed: {one_line(error)}", file=sys.stderr)
            continue
        counts[found.outcome.value] += 1
        if found.tolerance is not None:
            tolerances.add(f"compared within {found.tolerance}: {', '.join(found.changed)}")
        print(_json(path, found) if as_json else printable(_line(found)))
    if not as_json:
        for each in sorted(tolerances):
            print(printable(each))
        names = (*(outcome.value for outcome in ReplayOutcome), "failed")
        told = ", ".join(f"{counts[name]} {name}" for name in names if counts[name])
        print(f"{len(paths)} parts: {told}")
    return not counts["failed"] and not (strict and counts[ReplayOutcome.DIFFERS.value])


def compare_with_journal(paths: Sequence[Path], journal: Path) -> bool:
    """Whether the journal says what the records say; one line on stderr for each that it does not.
    Raises JournalError."""
    records: list[PictureRecord] = []
    for path in paths:
        with suppress(OutfeedError):  # said when it was replayed
            records.append(parse_record(read_text(path), name=path.name))
    events = part_events(journal, {record.part_id for record in records})
    agree = True
    for record in records:
        said = find_disagreement(record, events.get(record.part_id))
        if said is not None:
            agree = False
            print(f"outfeed: part {record.part_id}: {one_line(said)}", file=sys.stderr)
    return agree


def _line(found: ReplayedPart) -> str:
    verdict = found.verdict
    parts = [f"part {found.record.part_id}: {found.outcome.value}: {verdict.decision.value}"]
    parts.append(f"({verdict.reason})")
    if found.outcome is ReplayOutcome.UNJUDGED and found.record.verdict is not None:
        parts.append(f"[then: {found.record.verdict.reason}]")
    if found.outcome is ReplayOutcome.DIFFERS:
        parts.append(f"[{found.difference}]")
    return " ".join(parts)


def _json(path: Path, found: ReplayedPart) -> str:
    record, recorded = found.record, found.record.chain_verdict
    return json.dumps(
        {
            "part_id": record.part_id,
            "picture": path.name,
            "outcome": found.outcome.value,
            "difference": found.difference,
            "tolerance": None if found.tolerance is None else str(found.tolerance),
            "changed": list(found.changed),
            "bundle": found.chain.origin.bundle,
            "engine": found.chain.origin.engine,
            "outfeed_then": record.origin.outfeed,
            "marks": [mark.kind for mark in record.marks],
            "recorded": None if recorded is None else json.loads(canonical(recorded)),
            "seen": json.loads(canonical(found.verdict)),
        }
    )
