"""Copies of the bundles that gave the verdicts on the stored pictures.

With them a station can replay its pictures after it got a newer bundle.
"""

from __future__ import annotations

from pathlib import Path

from edge.bundle import SUFFIX, Bundle, pack, parse_bundle, write_bundle
from edge.errors import BundleError, PictureError

# In addition to the limit of pictures. A bundle has 1 to 20 MB.
MAX_BUNDLES = 4


def bundle_path(folder: Path, digest: str) -> Path:
    """Return the path of the copy of a bundle. digest: SHA-256 of its content."""
    return folder / f"{digest}{SUFFIX}"


def keep_bundle(folder: Path, bundle: Bundle, source: Path) -> None:
    """Copy the bundle to the folder, unless it is there, and keep the newest MAX_BUNDLES.

    It is a copy, not a link, because a new bundle may be copied over the old file. Blocks for two
    fsyncs if the bundle is new.

    Args:
        folder: The folder of the copies.
        bundle: The bundle.
        source: The file from which the bundle was read. If it has been replaced since, the bundle
            is packed again, with all of its content but without its signature.

    Raises:
        PictureError: The folder cannot be used.
    """
    path = bundle_path(folder, bundle.digest)
    try:
        if not _is_whole(path, bundle):
            write_bundle(path, _bytes_of(bundle, source))
        others = [each for each in folder.glob(f"*{SUFFIX}") if each != path]
        others.sort(key=lambda each: each.stat().st_mtime_ns, reverse=True)
        for each in others[MAX_BUNDLES - 1 :]:
            each.unlink(missing_ok=True)
    except OSError as error:
        raise PictureError(f"{folder}: {(error.strerror or str(error)).lower()}") from error


def _is_whole(path: Path, bundle: Bundle) -> bool:
    """Return True if the copy exists and is complete. A power loss can damage it."""
    try:
        return parse_bundle(path.read_bytes()).digest == bundle.digest
    except (FileNotFoundError, BundleError):
        return False


def _bytes_of(bundle: Bundle, source: Path) -> bytes:
    try:
        data = source.read_bytes()
        if parse_bundle(data).digest == bundle.digest:
            return data
    except (OSError, BundleError):
        pass
    return pack(bundle.manifest, bundle.files)
