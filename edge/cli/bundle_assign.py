"""The steps of ``outfeed bundle assign``: from a plan or a bundle to signed desired states."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge.bundle import MAX_BYTES, SUFFIX, parse_bundle
from edge.errors import OutfeedError, UsageError
from edge.files import write_atomically
from edge.terminals import say
from edge.updates.desired import DesiredBundle
from edge.updates.plan import (
    MAX_FILE_BYTES,
    PlannedStation,
    RolloutPlan,
    SignedRollout,
    add_signature,
    read_plan,
    read_signed_rollout,
    sign_plan,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def assign_file(
    file: Path,
    key: Ed25519PrivateKey,
    out: Path,
    stations: Sequence[str],
    days: int | None,
) -> None:
    """Sign what a file asks for, and write the result.

    A plan becomes a file for the central system, and a bundle one message for each station. Raises
    OutfeedError and UsageError with one line; nothing is written then.
    """
    if file.suffix == SUFFIX:
        _assign_bundle(file, key, out, stations, days)
        return
    if stations or days is not None:
        raise UsageError(f"--station and --days are for a bundle; {file} names its own")
    data = _read(file, MAX_FILE_BYTES)
    try:
        signed = _signed(data, key)
    except OutfeedError as error:
        raise OutfeedError(f"{file}: {error}") from error
    _write(out, signed.model_dump_json() + "\n")
    say(f"{out}: {len(signed.statements)} signed desired states")


def _signed(data: bytes, key: Ed25519PrivateKey) -> SignedRollout:
    try:
        kind = json.loads(data).get("type")
    except (ValueError, RecursionError, AttributeError):
        kind = None
    if kind == SignedRollout.model_fields["type"].default:
        return add_signature(read_signed_rollout(data), key)
    plan = read_plan(data)
    _tell(plan)
    return sign_plan(plan, key, time.time_ns() // 1000)


def _assign_bundle(
    file: Path, key: Ed25519PrivateKey, out: Path, stations: Sequence[str], days: int | None
) -> None:
    if not stations:
        raise UsageError(f"--station is missing: {file} is a bundle, and not the plan of a rollout")
    data = _read(file, MAX_BYTES)
    try:
        bundle = parse_bundle(data)
    except OutfeedError as error:
        raise OutfeedError(f"{file}: {error}") from error
    digest = hashlib.sha256(data).hexdigest()
    wanted = DesiredBundle(
        name=bundle.manifest.name,
        version=bundle.manifest.version,
        sha256=digest,
        size_bytes=len(data),
        file=f"{digest}{SUFFIX}",
    )
    planned = tuple(PlannedStation(station=each) for each in stations)
    plan = RolloutPlan(bundle_id=bundle.id, bundle=wanted, stations=planned, days=days or 30)
    signed = sign_plan(plan, key, time.time_ns() // 1000)
    _tell(plan)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutfeedError(f"--out {out}: {error.strerror}; expected a folder") from error
    for station, statement in zip(stations, signed.statements, strict=True):
        path = out / f"{station}.json"
        _write(path, statement.payload())
        say(f"{path}: publish it retained to the topic PREFIX/{station}/desired")


def _tell(plan: RolloutPlan) -> None:
    """State what is signed, on standard error."""
    what = plan.bundle_id or "their accepted bundle"
    if plan.bundle is not None:
        what = f"{plan.bundle.name} {plan.bundle.version}, SHA-256 {plan.bundle.sha256[:16]}"
    names = ", ".join(each.station for each in plan.stations[:8])
    more = len(plan.stations) - 8
    names += f" and {more} more" if more > 0 else ""
    older = ", also below a version accepted before" if plan.allow_downgrade else ""
    print(f"signing for {plan.days} days{older}: {what}, for {names}", file=sys.stderr)


def _read(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error


def _write(path: Path, content: bytes | str) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise OutfeedError(f"--out {path}: cannot be written: {error.strerror}") from error
