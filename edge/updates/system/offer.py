"""A bundle of a system, as RAUC reads it: verified first, then compared with this unit."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edge.bundle.version import version_key
from edge.errors import OutfeedError
from edge.updates.system.boot_loader import SystemImage

RAUC_CONF = Path("/usr/lib/outfeed/rauc.conf")
_SLOTS = ("boot", "system")


class SystemUpdateError(OutfeedError):
    """A system cannot be installed."""


@dataclass(frozen=True, slots=True)
class SlotImage:
    """One image of a bundle: the kind of slot, its bytes and their SHA-256."""

    slot: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SystemOffer:
    """The facts that a bundle with a right signature states.

    Attributes:
        compatible: The kind of board.
        version: The version of the system.
        images: One for each kind of slot.
    """

    compatible: str
    version: str
    images: tuple[SlotImage, ...]


def read_offer(bundle: Path, conf: Path = RAUC_CONF) -> SystemOffer:
    """Return the contents of a bundle after its signature was verified.

    Raises:
        SystemUpdateError: It is no bundle, or no accepted key signed it.
    """
    command = ("rauc", f"--conf={conf}", "info", "--output-format=json", str(bundle))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise SystemUpdateError(f"{bundle.name}: {lines[-1] if lines else 'rauc refuses it'}")
    return parse_offer(done.stdout, bundle.name)


def parse_offer(text: str, name: str) -> SystemOffer:
    """Return the contents of RAUC's JSON. Raises SystemUpdateError."""
    try:
        found = json.loads(text)
        images = tuple(
            SlotImage(slot, int(image["size"]), str(image["checksum"]))
            for entry in found["images"]
            for slot, image in entry.items()
        )
        offer = SystemOffer(str(found["compatible"]), str(found["version"]), images)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SystemUpdateError(f"{name}: expected a manifest as of RAUC 1.8: {error}") from error
    if sorted(image.slot for image in images) != sorted(_SLOTS):
        raise SystemUpdateError(f"{name}: expected one image each for {' and '.join(_SLOTS)}")
    return offer


def check_offer(offer: SystemOffer, image: SystemImage, *, allow_older: bool) -> None:
    """Raise SystemUpdateError where a system is for another board, or older than this one."""
    if offer.compatible != image.compatible:
        raise SystemUpdateError(
            f"compatible: expected {image.compatible}, the bundle is for {offer.compatible}"
        )
    try:
        older = version_key(offer.version) < version_key(image.version)
    except ValueError as error:
        raise SystemUpdateError(
            f"version: expected numbers with dots, the bundle has '{offer.version}'"
        ) from error
    if older and not allow_older:
        raise SystemUpdateError(
            f"version: {offer.version} is older than {image.version}, which runs; "
            "--allow-older installs it"
        )
