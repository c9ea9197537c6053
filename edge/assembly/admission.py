"""The admission of a bundle: its signature, its type of station and its version."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from edge.active_bundle import bundle_file
from edge.bounded_reads import was_emptied
from edge.bundle import Bundle, key_id, read_bundle, read_trusted
from edge.bundle.accepted import AcceptedVersions, recall, write_both
from edge.config.station import StationConfig
from edge.errors import BundleError, ConfigError, UsageError

_log = logging.getLogger(__name__)


def admit(config: StationConfig) -> Bundle:
    """Return the configured bundle if this station may run it. Writes nothing.

    A trusted key must have signed it, it must be for this type of station, and its version must not
    be lower than one that has run here. Raises BundleError, and ConfigError for the keys of
    [trust].
    """
    trusted = trusted_keys(config)
    bundle = read_bundle(config.bundle, trusted)
    manifest, own = bundle.manifest, config.trust.compatible
    if own not in manifest.compatible:
        raise BundleError(
            f"{config.bundle}: is for {', '.join(manifest.compatible)}; this station is {own} "
            "(trust.compatible)"
        )
    accepted = _accepted(config)
    if not config.trust.allow_downgrade:
        try:
            accepted.refuse_downgrade(manifest)
        except BundleError as error:
            raise BundleError(f"{config.bundle}: {error}") from error
    return bundle


def with_update(config: StationConfig, sha256: str, *, allow_downgrade: bool) -> StationConfig:
    """Return the configuration with a bundle of the folder of updates."""
    trust = config.trust
    allowed = trust.allow_downgrade or allow_downgrade
    return config.model_copy(
        update={
            "bundle": bundle_file(config.paths.update_bundles, sha256),
            "trust": trust.model_copy(update={"allow_downgrade": allowed}),
        }
    )


def trusted_keys(config: StationConfig) -> frozenset[str]:
    """Return the public keys of [trust] as hexadecimal text.

    Raises ConfigError if there is none, or one that cannot be read.
    """
    if not config.trust.keys:
        raise ConfigError(
            "key 'trust.keys': names no key, so no bundle may run; "
            "`outfeed bundle keygen` makes keys"
        )
    for key in config.trust.keys:
        if isinstance(key, Path) and was_emptied(key):
            # The file may be replaced just now, so this is no permanent error.
            raise BundleError(f"key 'trust.keys': {key}: is empty; expected a public key")
    try:
        return read_trusted(config.trust.keys)
    except BundleError as error:
        raise ConfigError(f"key 'trust.keys': {error}") from error


def remember(config: StationConfig, bundle: Bundle) -> None:
    """Store the version of the bundle, so that no older version is admitted any more.

    Blocks on the disk. Raises BundleError.
    """
    try:
        write_both(config.paths.accepted_bundles, _accepted(config).after(bundle.manifest))
    except BundleError as error:
        raise BundleError(f"key 'state_dir': {error}") from error


def trusted_by(keys: Iterable[str] | None) -> frozenset[str] | None:
    """Return the keys of --trust; None where it was not given. Raises UsageError."""
    if not keys:
        return None
    try:
        return read_trusted(keys)
    except BundleError as error:
        raise UsageError(f"--trust {error}") from error


def signed_by(bundle: Bundle) -> str:
    """Return the signer of the bundle in words."""
    return "unsigned" if bundle.signer is None else f"signed by key {key_id(bundle.signer)}"


def _accepted(config: StationConfig) -> AcceptedVersions:
    try:
        recalled = recall(config.paths.accepted_bundles)
    except BundleError as error:
        raise BundleError(f"key 'state_dir': {error}") from error
    for complaint in recalled.complaints:
        _log.error("accepted_versions_impaired reason=%s", complaint)
    return recalled.accepted
