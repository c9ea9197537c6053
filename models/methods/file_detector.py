"""A detector without a network: the content of the file that a station reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edge.bundle import DetectorManifest
from edge.bundle.kinds import DetectorKind
from edge.chain.detect import Detector
from edge.chain.load import READERS


@dataclass(frozen=True, slots=True)
class FileDetector:
    """A template or threshold file.

    data: the content that edge/chain/load.py reads for this kind. Its severity map has
    one cell for each pixel. It takes whole frames of any size.
    """

    stride_px: ClassVar[int] = 1
    multiple_px: ClassVar[int] = 1

    kind: DetectorKind
    data: bytes

    def manifest(self, channels: int, height: int = 256, width: int = 256) -> DetectorManifest:
        """Return the manifest of the detector for frames of this size in px."""
        one_or_three: Literal[1, 3] = 1 if channels == 1 else 3
        return DetectorManifest(
            kind=self.kind,
            network=self.kind,
            channels=one_or_three,
            height=height,
            width=width,
            overlap_px=0,
            multiple_px=self.multiple_px,
            stride_px=self.stride_px,
        )

    def detector(self, channels: int) -> Detector:
        """Return the station's detector. Raises BundleError for a file that it refuses."""
        return READERS[self.kind](self.data, self.manifest(channels))
