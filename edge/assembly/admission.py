"""Whether a station may run a bundle: who signed it, what it is for, and what ran here before."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from edge.bounded_reads import was_emptied
from edge.bundle import Bundle, key_id, read_bundle, read_trusted
from edge.bundle.accepted import AcceptedVersions, recall, write_both
from edge.config.station import StationConfig
from edge.errors import BundleError, ConfigError, UsageError

_log = logging.getLogger(__name__)


def admit(config: StationConfig) -> Bundle:
    """The configured bundle, signed by a trusted key, for this station and no downgrade. Raises
    BundleError, and ConfigError for the keys of the [trust] section. Writes nothing."""
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


def trusted_keys(config: StationConfig) -> frozenset[str]:
    """The public keys of [trust], in hex. Raises ConfigError where there is none, or one that
    cannot be read."""
    if not config.trust.keys:
        raise ConfigError(
            "key 'trust.keys': names no key, so no bundle may run; "
            "`outfeed bundle keygen` makes keys"
        )
    for key in config.trust.keys:
        if isinstance(key, Path) and was_emptied(key):
            # It may be in the middle of being replaced: no permanent error.
            raise BundleError(f"key 'trust.keys': {key}: is empty; expected a public key")
    try:
        return read_trusted(config.trust.keys)
    except BundleError as error:
        raise ConfigError(f"key 'trust.keys': {error}") from error


def remember(config: StationConfig, bundle: Bundle) -> None:
    """From now on no older version of the bundle is admitted. Blocks on the disk. Raises
    BundleError."""
    try:
        write_both(config.paths.accepted_bundles, _accepted(config).after(bundle.manifest))
    except BundleError as error:
        raise BundleError(f"key 'state_dir': {error}") from error


def trusted_by(keys: Iterable[str] | None) -> frozenset[str] | None:
    """What --trust names; None where it was not given. Raises UsageError."""
    if not keys:
        return None
    try:
        return read_trusted(keys)
    except BundleError as error:
        raise UsageError(f"--trust {error}") from error


def signed_by(bundle: Bundle) -> str:
    """Who answers for it, in words."""
    return "unsigned" if bundle.signer is None else f"signed by key {key_id(bundle.signer)}"


def _accepted(config: StationConfig) -> AcceptedVersions:
    try:
        found = recall(config.paths.accepted_bundles)
    except BundleError as error:
        raise BundleError(f"key 'state_dir': {error}") from error
    for complaint in found.complaints:
        _log.error("accepted_versions_impaired reason=%s", complaint)
    return found.accepted
