"""One part again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.pictures.record import PictureRecord, read_picture
from edge.records import Verdict
from edge.replay.chains import ReplayChain, ReplayChains
from edge.replay.compare import ReplayOutcome, Tolerance, compare
from edge.station.part_guard import attempt


@dataclass(frozen=True, slots=True)
class ReplayedPart:
    """verdict: of this time. difference: the first one, in words. tolerance: within which the two
    had to agree; None: byte for byte. changed: what judges now and did not then."""

    record: PictureRecord
    verdict: Verdict
    outcome: ReplayOutcome
    difference: str | None
    tolerance: Tolerance | None
    chain: ReplayChain
    changed: tuple[str, ...]


def replay_part(path: Path, chains: ReplayChains) -> ReplayedPart:
    """Read a picture of an album, judge it again, compare. Raises PictureError and FrameError for a
    picture that is not what was kept, BundleError for a chain that cannot be had."""
    picture = read_picture(path)
    record = picture.record
    chain = chains.of(record.origin)
    seen = attempt(record.part_id, partial(chain.inspector.inspect, picture.frame))
    changed = chain.origin.differences(record.origin)
    tolerance = chain.tolerance(record.origin) if changed else None
    if record.chain_verdict is None:
        return ReplayedPart(record, seen, ReplayOutcome.UNJUDGED, None, tolerance, chain, changed)
    outcome, difference = compare(record.chain_verdict, seen, tolerance)
    return ReplayedPart(record, seen, outcome, difference, tolerance, chain, changed)
