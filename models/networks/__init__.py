"""The networks: the paper's detector, those that stations run, their teacher, the classifier."""

from __future__ import annotations

from models.networks.base import (
    PIXEL_SCALE,
    PIXEL_ZERO_POINT,
    SEVERITY_MAX,
    DetectorNetwork,
    normalise,
)
from models.networks.classifier import BlockClassifier
from models.networks.efficientnet import EfficientNetDetector
from models.networks.lean import LeanDetector
from models.networks.paper import PaperDetector

__all__ = [
    "PIXEL_SCALE",
    "PIXEL_ZERO_POINT",
    "SEVERITY_MAX",
    "BlockClassifier",
    "DetectorNetwork",
    "EfficientNetDetector",
    "LeanDetector",
    "PaperDetector",
    "build_detector",
    "normalise",
]


def build_detector(network: str, channels: int, resolution: int) -> DetectorNetwork:
    """The detector that a recipe names. Raises ValueError for a name or resolution there is not."""
    if network == "paper" and resolution in (2, 4):
        return PaperDetector(channels, 4 if resolution == 4 else 2)
    if network == "lean" and resolution == 2:
        return LeanDetector(channels)
    raise ValueError(f"no network '{network}' with resolution {resolution}: paper (2, 4), lean (2)")
