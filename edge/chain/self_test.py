"""The self-test of the chain: golden frames are inspected between parts and compared."""

from __future__ import annotations

from itertools import chain, cycle, zip_longest

from edge.bundle import Bundle
from edge.bundle.manifest import GoldenLimits, GoldenManifest
from edge.chain.golden import first_difference
from edge.chain.inspector import Inspector
from edge.images import decode_image
from edge.records import Frame

MAX_BYTES = 64 * 1024 * 1024  # of decoded pixels: 20 frames of 1024 × 1024 × 3
SELF_TEST_PART = 0  # no part has this number


class GoldenFrameTest:
    """The golden frames of a bundle, decoded once, for self-tests during production.

    It holds as many frames as fit into MAX_BYTES, alternately one with a defect and one without.
    They use the same inspector as the parts, so that the test covers the live chain. One thread at
    a time may use the inspector.
    """

    def __init__(self, bundle: Bundle, inspector: Inspector, limits: GoldenLimits) -> None:
        """Decode the frames. Raises FrameError, which cannot happen with a checked bundle."""
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
            frames.append((one, Frame(SELF_TEST_PART, 0, 0, 0, pixels)))
        self.count = len(frames)
        self._turns = cycle(frames)
        self._next = next(self._turns)

    @property
    def upcoming(self) -> str:
        """The file name of the next golden frame."""
        return self._next[0].file

    @property
    def shows_defect(self) -> bool:
        """True where the next golden frame has a defect.

        A chain that finds no defects any more still passes the other frames.
        """
        return self._next[0].decision == "REJECT"

    def prove(self) -> str | None:
        """Inspect the next golden frame. Blocks for one inspection.

        Return a text that names the first step that differs, or None if the frame was reproduced.
        Raises OutfeedError where the chain refuses the frame.
        """
        golden, frame = self._next
        self._next = next(self._turns)
        inspection = self._inspector.examine(frame)
        return first_difference(golden, inspection, self._limits, self._threshold)
