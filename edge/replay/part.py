"""The replay of one part."""

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
    """The result of replaying one part.

    verdict: the new verdict. difference: the first difference from the recorded one, as text.
    tolerance: the tolerance of the comparison; None: byte for byte. changed: the differences
    between the provenance of both verdicts, as texts.
    """

    record: PictureRecord
    verdict: Verdict
    outcome: ReplayOutcome
    difference: str | None
    tolerance: Tolerance | None
    chain: ReplayChain
    changed: tuple[str, ...]


def replay_part(path: Path, chains: ReplayChains) -> ReplayedPart:
    """Read a stored picture, inspect it again, and compare the verdicts. Blocks.

    Raises PictureError and FrameError for a damaged or altered picture, and BundleError for a chain
    that cannot be loaded.
    """
    picture = read_picture(path)
    record = picture.record
    chain = chains.of(record.origin)
    replayed = attempt(record.part_id, partial(chain.inspector.inspect, picture.frame))
    changed = chain.origin.differences(record.origin)
    tolerance = chain.tolerance(record.origin) if changed else None
    if record.chain_verdict is None:
        return ReplayedPart(
            record, replayed, ReplayOutcome.UNJUDGED, None, tolerance, chain, changed
        )
    outcome, difference = compare(record.chain_verdict, replayed, tolerance)
    return ReplayedPart(record, replayed, outcome, difference, tolerance, chain, changed)
