"""The networks: the detector of the paper, the detectors of stations, and the block classifier."""

from __future__ import annotations

from models.methods.memory_bank.network import MemoryBankDetector
from models.networks.base import (
    PIXEL_SCALE,
    PIXEL_ZERO_POINT,
    SEVERITY_MAX,
    DetectorNetwork,
    joined,
    mmac,
    normalise,
)
from models.networks.classifier import BlockClassifier
from models.networks.paper import PaperDetector
from models.networks.reduced import (
    ExtraLargeDetector,
    LargeDetector,
    LeanDetector,
    NanoDetector,
    ReducedDetector,
)

__all__ = [
    "PIXEL_SCALE",
    "PIXEL_ZERO_POINT",
    "SEVERITY_MAX",
    "BlockClassifier",
    "DetectorNetwork",
    "ExtraLargeDetector",
    "LargeDetector",
    "LeanDetector",
    "MemoryBankDetector",
    "NanoDetector",
    "PaperDetector",
    "ReducedDetector",
    "build_detector",
    "joined",
    "mmac",
    "normalise",
]


_AT_RESOLUTION_2: dict[str, type[ReducedDetector]] = {
    "extra-large": ExtraLargeDetector,
    "large": LargeDetector,
    "lean": LeanDetector,
    "nano": NanoDetector,
}


def build_detector(
    network: str, channels: int, resolution: int, *, decision: bool = False
) -> DetectorNetwork:
    """Return the detector of a recipe. decision: with a decision head, which "paper" has not.

    Raises ValueError for an unknown name or resolution.
    """
    if network == "paper" and resolution in (2, 4) and not decision:
        return PaperDetector(channels, 4 if resolution == 4 else 2)
    if network in _AT_RESOLUTION_2 and resolution == 2:
        return _AT_RESOLUTION_2[network](channels, decision=decision)
    known = ", ".join(f"{name} (2)" for name in _AT_RESOLUTION_2)
    raise ValueError(
        f"no network '{network}' with resolution {resolution}; expected paper (2, 4), {known}"
    )
