"""The bundle that came over the network and was accepted: it replaces the one of station.toml."""

from __future__ import annotations

import hashlib
import os
from logging import getLogger
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.bundle import SUFFIX
from edge.config.station import StationConfig
from edge.errors import OutfeedError
from edge.files import backup_path, write_with_backup
from edge.state_file import read_with_backup

_log = getLogger(__name__)

_MAX_BYTES = 64 << 10
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ActiveBundle(BaseModel):
    """The content of ``active.json``.

    sha256: of the file in the folder of updates. configured: SHA-256 of the file that `bundle` of
    station.toml named at that time. Where it names another one now, a person has changed it, and
    this record no longer counts. allow_downgrade: the desired state permitted a lower version.
    previous: sha256 of the bundle before, in the same
    folder; empty: not known. commissioned: digest of the bundle with which the station was
    commissioned; the trial under this commissioning counts as the step of the new bundle. p999_ms:
    99.9th percentile of the inspection time in the trial.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal[1] = 1
    sha256: _Digest
    bundle: str
    configured: _Digest
    allow_downgrade: bool = False
    previous: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    commissioned: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    p999_ms: Annotated[float, Field(ge=0)] | None = None


def bundle_file(folder: Path, sha256: str) -> Path:
    """Return the path of a bundle in a folder of downloads."""
    return folder / f"{sha256}{SUFFIX}"


def read_active(path: Path) -> ActiveBundle | None:
    """Return the accepted bundle; None: there is none. The backup is read where the file is lost.

    Raises OutfeedError with one line if neither file can be read.
    """
    remedy = "removing it selects `bundle` of station.toml again"
    return read_with_backup(ActiveBundle, path, max_bytes=_MAX_BYTES, remedy=remedy)


def write_active(path: Path, active: ActiveBundle | None) -> None:
    """Replace the record and its backup, or remove both. Blocks for fsyncs. Raises OSError."""
    if active is not None:
        write_with_backup(path, active.model_dump_json())
        return
    for each in (backup_path(path), path):
        each.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file. Blocks. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def with_active_bundle(config: StationConfig) -> StationConfig:
    """Return the configuration with the accepted bundle in place of the one of station.toml.

    A person who changes `bundle` of station.toml, or replaces that file, has the last word. Where
    the accepted file is lost or damaged, the bundle before it is used, and the log reports it.
    """
    try:
        active = read_active(config.paths.active_bundle)
    except OutfeedError as error:
        _log.error("active_bundle_unreadable reason=%s", error)
        return config
    if active is None:
        return config
    if _digest_of(config.bundle) not in ("", active.configured):
        _log.warning("active_bundle_replaced reason=station.toml has another bundle than before")
        return config
    folder = config.paths.update_bundles
    for sha256, allow_downgrade in (
        (active.sha256, active.allow_downgrade),
        (active.previous, True),
    ):
        path = bundle_file(folder, sha256)
        if sha256 and _digest_of(path) == sha256:
            trust = config.trust
            allowed = trust.allow_downgrade or allow_downgrade
            trust = trust.model_copy(update={"allow_downgrade": allowed})
            return config.model_copy(update={"bundle": path, "trust": trust})
        _log.error("active_bundle_lost file=%s: missing or damaged", path)
    return config


def _digest_of(path: Path) -> str:
    """Return the SHA-256 of a file; an empty text if it cannot be read."""
    try:
        return file_digest(path)
    except OSError:
        return ""
