"""The bundles by which kept pictures were judged: a station that was given a newer one can still
say why it decided as it did."""

from __future__ import annotations

from pathlib import Path

from edge.bundle import SUFFIX, Bundle, pack, parse_bundle, write_bundle
from edge.errors import BundleError, PictureError

# Beside the pictures' own cap. A bundle is 1 to 20 MB, and a station gets a new one now and then.
MAX_BUNDLES = 4


def bundle_path(folder: Path, digest: str) -> Path:
    """Where the bundle of this content lies, if it does."""
    return folder / f"{digest}{SUFFIX}"


def keep_bundle(folder: Path, bundle: Bundle, source: Path) -> None:
    """See to it that the bundle is there, the newest of MAX_BUNDLES; older ones go. Blocks for two
    fsyncs where it is new. Raises PictureError.

    A copy, not a link: whoever copies a new bundle over the old file would change both. source: the
    file that it was read from; where that has been replaced since, it is packed again, with every
    byte of its content but without its signature.
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
    """Return whether it is there, and a power cut has taken nothing of it."""
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
