"""One part again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.errors import PictureError
from edge.pictures.png import decode_picture
from edge.pictures.record import PictureRecord, digest_of, parse_record
from edge.records import Frame, Verdict
from edge.replay.chains import Chain, Chains
from edge.replay.compare import Outcome, Tolerance, compare
from edge.station.attempt import attempt


@dataclass(frozen=True, slots=True)
class Replayed:
    """verdict: of this time. difference: the first one, in words. tolerance: within which the two
    had to agree; None: byte for byte. changed: what judges now and did not then."""

    record: PictureRecord
    verdict: Verdict
    outcome: Outcome
    difference: str | None
    tolerance: Tolerance | None
    chain: Chain
    changed: tuple[str, ...]


def replay_part(path: Path, chains: Chains) -> Replayed:
    """Read a picture of an album, judge it again, compare. Raises PictureError and FrameError for a
    picture that is not what was kept, BundleError for a chain that cannot be had."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: cannot be read: {error.strerror}") from error
    pixels, text = decode_picture(data, name=path.name)
    record = parse_record(text, name=path.name)
    if digest_of(pixels) != record.pixels_sha256:
        raise PictureError(f"{path.name}: its pixels are not those that were judged (SHA-256)")
    chain = chains.of(record.origin)
    frame = Frame(record.part_id, record.sequence, record.triggered_ns, record.exposed_ns, pixels)
    seen = attempt(record.part_id, partial(chain.inspector.inspect, frame))
    changed = chain.origin.differences(record.origin)
    tolerance = chain.tolerance if changed else None
    if record.said is None:
        return Replayed(record, seen, Outcome.UNJUDGED, None, tolerance, chain, changed)
    outcome, difference = compare(record.said, seen, tolerance)
    return Replayed(record, seen, outcome, difference, tolerance, chain, changed)
