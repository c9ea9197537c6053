"""Step 1 without a network: the difference between a frame and a golden image.

Source: the variation model (Steger, Ulrich & Wiedemann, Machine Vision Algorithms and Applications,
"variation models"). A model holds a golden image and, for each pixel, the spread of good parts. The
golden image is aligned with the frame (edge/chain/template/registration.py). The illumination of
the frame is matched to the golden image. Differences count in spreads of good parts.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import DetectorManifest
from edge.chain.detect import as_channels
from edge.chain.noise import noise_factor, noise_level
from edge.chain.template.alignment import BLACK, WHITE, Plane
from edge.chain.template.file import (
    SPREAD_STEP,
    TemplateFile,
    TemplateHeader,
    TemplateReference,
    parse_template,
)
from edge.chain.template.illumination import Illumination
from edge.chain.template.registration import Bounds, Pose, Registration, pyramid
from edge.errors import BundleError, FrameError
from edge.records import SeverityMap

TOP = 12.0
STEP = TOP / 255.0  # severity of one step of the map
# Low, high, weight and an unused plane: OpenCV warps four channels in half the time of three.
PLANES = 4


class TemplateDetector:
    """A Detector that rates each pixel by its difference from golden images.

    A frame that matches no golden image has severity 12 everywhere, and SeverityMap.unmatched gives
    the reason. It shows a part outside the bounds, another part, or no part. Pixels of the frame
    outside the golden image have severity 0, because there is no reference for them.

    One thread at a time may use it. No result depends on earlier frames.
    """

    def __init__(self, file: TemplateFile) -> None:
        """Prepare the golden images. Raises BundleError for one without edges to register by."""
        header = file.header
        self.header = header
        try:
            self._golden = tuple(_Golden(reference, header) for reference in file.references)
        except ValueError as error:
            raise BundleError(f"the template: {error}") from error
        shape = header.height, header.width
        self._light, self._gain, self._score, self._worst, self._smooth, self._least = (
            np.empty(shape, np.float32) for _ in range(6)
        )
        self._even, self._map = (np.empty(shape, np.uint8) for _ in range(2))
        self._noise = header.noise
        self._laid = np.empty((*shape, PLANES), np.uint8)
        self._planes = [np.empty(shape, np.uint8) for _ in range(PLANES)]

    def detect(self, pixels: NDArray[np.uint8]) -> SeverityMap:
        """Return the severity map, uint8 in steps of STEP, one cell per pixel.

        Raises FrameError for a frame that does not have the size of the golden images.
        """
        scores, why = self.scores(pixels)
        if scores is None:
            self._map.fill(255)
        else:
            cv2.convertScaleAbs(scores, dst=self._map, alpha=1.0 / (self.header.unit * STEP))
        return SeverityMap(self._map, STEP, 0, 1, why)

    def scores(self, pixels: NDArray[np.uint8]) -> tuple[Plane | None, str]:
        """Return the difference of each pixel in spreads of good parts, float32 H×W, and "".

        Return None and the reason where the frame matches no golden image. The plane is valid until
        the next call. Raises FrameError as ``detect`` does.
        """
        header = self.header
        pixels = as_channels(pixels, header.channels)
        if pixels.shape[:2] != (header.height, header.width):
            raise FrameError(
                f"{pixels.shape[1]}×{pixels.shape[0]} px; expected "
                f"{header.width}×{header.height}, the size of the golden image"
            )
        grey = as_channels(pixels, 1)
        planes = pyramid(grey)
        self._noise = noise_level(grey)
        poses = [(golden, golden.pose(planes)) for golden in self._golden]
        matched = [(golden, pose) for golden, pose in poses if pose is not None]
        best = max((pose.match for _, pose in matched), default=0.0)
        if best < header.min_match:
            return None, f"does not match the golden image: {best:.2f}, expected {header.min_match}"
        if header.combine == "best":
            matched = [next(each for each in matched if each[1].match == best)]
        else:
            matched = [each for each in matched if each[1].match >= header.min_match]
        least = self._difference(pixels, planes, *matched[0])
        if len(matched) > 1:
            np.copyto(self._least, least)
            for golden, pose in matched[1:]:
                other = self._difference(pixels, planes, golden, pose)
                np.minimum(self._least, other, out=self._least)
            least = self._least
        return least, ""

    def pose(self, pixels: NDArray[np.uint8]) -> Pose | None:
        """Return the pose of a frame against the first golden image; for tools and training."""
        return self._golden[0].pose(pyramid(as_channels(pixels, 1)))

    def _difference(
        self, pixels: NDArray[np.uint8], planes: tuple[Plane, ...], golden: _Golden, pose: Pose
    ) -> Plane:
        """Return the difference of each pixel from one golden image, in spreads, float32 H×W."""
        header = self.header
        onto = pose.on_frame(header.height, header.width)
        if header.illumination:
            gain, offset = golden.light(planes, pose)
            cv2.resize(gain, self._gain.shape[::-1], dst=self._gain)
        else:
            offset = pose.offset
            self._gain.fill(pose.gain)
        noisier = noise_factor(self._noise / pose.gain, header.noise, header.noise_limit)
        unit = golden.weight_unit / noisier
        for number, channel in enumerate(golden.planes):
            score = self._score if number else self._worst
            self._lay(channel, onto)
            plane = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, number])
            even = self._evened(plane, offset)
            low, high, weight = self._planes[:3]
            cv2.subtract(low, even, dst=low)
            cv2.subtract(even, high, dst=high)
            # A saturated pixel has no known level: white is never too dark, black never too bright.
            cv2.threshold(plane, WHITE - 1.0, 255.0, cv2.THRESH_BINARY, dst=even)
            cv2.subtract(low, even, dst=low)
            cv2.threshold(plane, BLACK, 255.0, cv2.THRESH_BINARY_INV, dst=even)
            cv2.subtract(high, even, dst=high)
            cv2.max(low, high, dst=low)
            cv2.multiply(low, weight, dst=score, scale=unit, dtype=cv2.CV_32F)
            if number:
                cv2.max(self._worst, score, dst=self._worst)
        side = header.smooth_px
        cv2.blur(self._worst, (side, side), dst=self._smooth)
        return self._smooth

    def _lay(self, channel: NDArray[np.uint8], onto: NDArray[np.float64]) -> None:
        """Warp low, high and weight of a channel onto the frame; outside every level is allowed."""
        height, width = self._even.shape
        cv2.warpAffine(
            channel,
            onto,
            (width, height),
            dst=self._laid,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(0, 255, 0, 0),
        )
        cv2.split(self._laid, self._planes)

    def _evened(self, channel: NDArray[np.uint8], offset: float) -> NDArray[np.uint8]:
        """Return a channel of the frame, matched to the illumination of the golden image."""
        np.subtract(channel, np.float32(offset), out=self._light)
        cv2.divide(self._light, self._gain, dst=self._even, dtype=cv2.CV_8U)
        return self._even


class _Golden:
    """One golden image, with everything that does not depend on the frame."""

    def __init__(self, reference: TemplateReference, header: TemplateHeader) -> None:
        grey = as_channels(reference.pixels, 1)
        bounds = Bounds(header.max_rotation_deg, header.max_shift_px, header.max_scale)
        self._registration = Registration(grey, bounds)
        self._is_registered = header.registration
        coarse = pyramid(grey)[0]
        self._step = (grey.shape[1] / coarse.shape[1], grey.shape[0] / coarse.shape[0])
        self._illumination = Illumination(coarse)
        least = int(reference.spread.min())
        weight = np.rint(255.0 * least / reference.spread.astype(np.float64)).astype(np.uint8)
        self.weight_unit = 1.0 / (255.0 * least * SPREAD_STEP)
        side = 2 * header.tolerance_px + 1
        square = np.ones((side, side), np.uint8)
        low, high = cv2.erode(reference.pixels, square), cv2.dilate(reference.pixels, square)
        self.planes = tuple(
            np.ascontiguousarray(np.dstack([dark, bright, weight, weight]))
            for dark, bright in zip(_channels(low), _channels(high), strict=True)
        )

    def pose(self, planes: tuple[Plane, ...]) -> Pose | None:
        if self._is_registered:
            return self._registration.register(planes)
        return self._registration.straight(planes)

    def light(self, planes: tuple[Plane, ...], pose: Pose) -> tuple[Plane, float]:
        return self._illumination.field(planes[0], pose, self._step)


def _channels(pixels: NDArray[np.generic]) -> tuple[NDArray[np.uint8], ...]:
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return tuple(np.asarray(plane, np.uint8) for plane in planes)


def read_template(data: bytes, manifest: DetectorManifest) -> TemplateDetector:
    """Return the detector in a file of the kind "template". Raises BundleError."""
    file = parse_template(data)
    if file.header.channels != manifest.channels:
        raise BundleError(
            f"the template has {file.header.channels} channels, the manifest {manifest.channels}"
        )
    if manifest.stride_px != 1:
        raise BundleError(f"detector.stride_px is {manifest.stride_px}; a template has 1")
    return TemplateDetector(file)
