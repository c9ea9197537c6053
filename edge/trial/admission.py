"""The checks of a downloaded bundle: everything that a station checks at its start."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from edge.active_bundle import bundle_file, file_digest
from edge.assembly.admission import admit, with_update
from edge.assembly.station import load_admitted
from edge.bundle import Bundle
from edge.config.station import StationConfig
from edge.engines.registry import EngineChoice
from edge.errors import OutfeedError
from edge.files import read_regular_file, write_durably
from edge.proof import remember_proof
from edge.updates.desired import DesiredBody


@dataclass(frozen=True, slots=True)
class AdmittedBundle:
    """A bundle that may run here. engine: the one on which it reproduced its golden frames."""

    bundle: Bundle
    engine: EngineChoice
    path: Path


def take_download(config: StationConfig, body: DesiredBody) -> None:
    """Copy the downloaded file into the folder of the station, if it has the right hash. Blocks.

    The folder of the updater belongs to another user, so the file is read once, and then never
    again. Raises OutfeedError.
    """
    wanted = body.bundle
    assert wanted is not None
    target = bundle_file(config.paths.update_bundles, wanted.sha256)
    source = bundle_file(config.paths.updater, wanted.sha256)
    try:
        if target.is_file() and file_digest(target) == wanted.sha256:
            return
        data = read_regular_file(source, wanted.size_bytes)
        target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        _check_space(config, target.parent, len(data))
        write_durably(target, data)
        found = file_digest(target)
    except OSError as error:
        raise OutfeedError(f"{source}: cannot be copied: {error.strerror or error}") from error
    if found != wanted.sha256:
        target.unlink()
        raise OutfeedError(f"the downloaded file has SHA-256 {found[:12]}…, expected another one")


def keep_configured(config: StationConfig) -> tuple[str, int]:
    """Copy the bundle of station.toml beside the others, so that the station can go back to it.

    Return its sha256 and size. Raises OutfeedError.
    """
    try:
        sha256 = file_digest(config.bundle)
        target = bundle_file(config.paths.update_bundles, sha256)
        if not target.is_file() or file_digest(target) != sha256:
            target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            write_durably(target, config.bundle.read_bytes())
        return sha256, target.stat().st_size
    except OSError as error:
        raise OutfeedError(f"{config.bundle}: cannot be copied: {error.strerror}") from error


def check_download(config: StationConfig, body: DesiredBody) -> AdmittedBundle:
    """Check the copied bundle as at the start of a station, and run its golden frames. Blocks for
    some seconds, at most for a minute.

    Its signer, type of station, version, certificate, networks, engine and golden frames are
    checked, the latter in a child process with limits first. Raises OutfeedError with one line.
    """
    wanted = body.bundle
    assert wanted is not None
    settings = with_update(config, wanted.sha256, allow_downgrade=body.allow_downgrade)
    bundle = admit(settings)
    manifest = bundle.manifest
    if (manifest.name, manifest.version) != (wanted.name, wanted.version):
        raise OutfeedError(
            f"the file is {manifest.name} {manifest.version}; the desired state names "
            f"{wanted.name} {wanted.version}"
        )
    loaded = load_admitted(settings, bundle, now_ns=time.monotonic_ns)
    remember_proof(bundle, loaded.engine, config.paths.proven_bundles)
    return AdmittedBundle(bundle, loaded.engine, settings.bundle)


def _check_space(config: StationConfig, folder: Path, size_bytes: int) -> None:
    limits = config.updates
    used = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    if used + size_bytes > limits.max_bytes:
        raise OutfeedError(
            f"{used} bytes of bundles are kept, and {size_bytes} more do not fit into "
            f"updates.max_mb ({limits.max_mb:g} MiB)"
        )
    state = os.statvfs(folder)
    if state.f_bavail * state.f_frsize - size_bytes < limits.min_free_bytes:
        raise OutfeedError(
            f"the disk would have less than updates.min_free_mb ({limits.min_free_mb:g} MiB) free"
        )
