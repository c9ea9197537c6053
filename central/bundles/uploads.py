"""The rows of uploaded bundles, each with its entry in the audit log."""

from __future__ import annotations

from central.access.audit import AuditedChange
from central.bundles.folder import KeptBundle
from central.store.bundles import (
    StoredBundle,
    find_bundle,
    has_file,
    is_needed,
    mark_removed,
    save_bundle,
)
from edge.bundle import key_id
from edge.errors import UsageError


def record_upload(change: AuditedChange, kept: KeptBundle, size_bytes: int) -> int:
    """Store the row of a bundle that the folder keeps, and return its number.

    Raises UsageError where it is stored already.
    """
    bundle = kept.bundle
    assert bundle.signer is not None
    if has_file(change.connection, kept.sha256):
        raise UsageError(f"{bundle.id} is stored already")
    stored = StoredBundle(
        number=0,
        sha256=kept.sha256,
        bundle_id=bundle.id,
        name=bundle.manifest.name,
        version=bundle.manifest.version,
        size_bytes=size_bytes,
        signer=key_id(bundle.signer),
        compatible=bundle.manifest.compatible,
        uploaded_by=change.actor.name,
        uploaded_us=change.now_us,
    )
    number = save_bundle(change.connection, stored)
    change.record("bundle.uploaded", bundle.id, {"sha256": kept.sha256, "bundle": number})
    return number


def record_removal(change: AuditedChange, number: int) -> str:
    """State that a bundle is removed, and return its SHA-256. Raises UsageError if it is needed."""
    found = find_bundle(change.connection, number)
    if found.removed_us is not None:
        raise UsageError(f"bundle {number} was removed already")
    if is_needed(change.connection, number):
        raise UsageError(f"{found.bundle_id} is part of a rollout; stations may still load it")
    mark_removed(change.connection, number, change.now_us)
    change.record("bundle.removed", found.bundle_id, {"sha256": found.sha256})
    return found.sha256
