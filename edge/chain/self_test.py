"""Golden frames through the chain that judges: does it still see what it saw when it was proven?"""

from __future__ import annotations

from itertools import chain, cycle, zip_longest

from edge.bundle import Bundle
from edge.bundle.manifest import GoldenLimits, GoldenManifest
from edge.chain.golden import difference
from edge.chain.inspector import Inspector
from edge.images import decode_image
from edge.records import Frame

MAX_BYTES = 64 * 1024 * 1024  # of decoded pixels: 20 frames of 1024 × 1024 × 3
SENTINEL_PART = 0  # no part has this number


class Sentinels:
    """The golden frames of a bundle, decoded once, as many as MAX_BYTES hold: in turn one with a
    defect and one without. They go through the very inspector that judges parts, so one thread at a
    time uses both."""

    def __init__(self, bundle: Bundle, inspector: Inspector, limits: GoldenLimits) -> None:
        """Raises FrameError for a frame that cannot be decoded; a proven bundle has none."""
        self._inspector = inspector
        self._limits = limits
        self._threshold = bundle.manifest.chain.threshold
        golden = bundle.manifest.golden
        bad = [one for one in golden if one.decision == "REJECT"]
        good = [one for one in golden if one.decision == "PASS"]
        mixed = (one for one in chain.from_iterable(zip_longest(bad, good)) if one is not None)
        frames: list[tuple[GoldenManifest, Frame]] = []
        left = MAX_BYTES
        for one in mixed:
            pixels = decode_image(bundle.files[one.file], name=one.file)
            left -= pixels.nbytes
            if left < 0 and frames:
                break
            frames.append((one, Frame(SENTINEL_PART, 0, 0, 0, pixels)))
        self.count = len(frames)
        self._turns = cycle(frames)
        self._next = next(self._turns)

    @property
    def upcoming(self) -> str:
        """The file that is next."""
        return self._next[0].file

    @property
    def shows_defect(self) -> bool:
        """Whether the next one has a defect: a blind chain is right about the others."""
        return self._next[0].decision == "REJECT"

    def prove(self) -> str | None:
        """Run the next one; blocks for one inspection. The first step that differs, in words; None:
        it was reproduced. Raises OutfeedError where the chain refuses the frame."""
        golden, frame = self._next
        self._next = next(self._turns)
        seen = self._inspector.examine(frame)
        return difference(golden, seen, self._limits, self._threshold)
