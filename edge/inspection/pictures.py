"""The pictures of an inspection, severity and overlay, and the writing of a picture file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import OutfeedError
from edge.records import Decision, SeverityMap, Verdict

# A severity of 1 in the 16-bit picture. The division by it is exact. Severity 12 is 49152, which
# leaves space above it, because a quantised map may slightly exceed 12.
SEVERITY_UNIT = 4096

_TEXT_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LEAST_SIDE_PX = 480  # smaller pictures are enlarged, so that a caption of 13 px fits
COLOURS = {  # BGR
    Decision.PASS: (96, 160, 48),
    Decision.REJECT: (48, 48, 208),
    Decision.UNKNOWN: (32, 160, 224),
}
_WHITE = (255, 255, 255)


def severity_picture(severity: SeverityMap, height: int, width: int) -> NDArray[np.uint16]:
    """Return SEVERITY_UNIT times the severity, uint16 height×width.

    It is interpolated bilinearly between the centres of cells, as in step filter. Negative values
    become 0.
    """
    cells = (severity.values.astype(np.float32) - severity.zero_point) * severity.scale
    stride = severity.stride_px
    size = (cells.shape[1] * stride, cells.shape[0] * stride)
    fine = cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR)[:height, :width]
    return np.clip(np.rint(fine * SEVERITY_UNIT), 0, 65535).astype(np.uint16)


def overlay(pixels: NDArray[np.uint8], verdict: Verdict) -> NDArray[np.uint8]:
    """Return the frame with a banner and a box with the kind for each defect, uint8 BGR.

    The banner holds the decision and its reason.

    A small frame is enlarged by a whole number, so the overlay may be larger than the frame.
    """
    height, width = pixels.shape[:2]
    factor = max(1, -(-_LEAST_SIDE_PX // max(height, width)))
    size = (width * factor, height * factor)
    canvas = np.asarray(cv2.resize(_bgr(pixels), size, interpolation=cv2.INTER_NEAREST), np.uint8)
    text_scale = max(0.45, max(size) / 1600)
    line_px = max(1, round(text_scale * 2))
    for defect in reversed(verdict.defects):  # the most severe defect is drawn last, on top
        box = defect.region.box
        corner = (box.left * factor - line_px, box.top * factor - line_px)
        end = (box.right * factor + line_px - 1, box.bottom * factor + line_px - 1)
        cv2.rectangle(canvas, corner, end, COLOURS[Decision.REJECT], line_px)
        text = f"{defect.kind} {defect.region.peak_severity:.1f}"
        _label(canvas, text, corner, end, text_scale)
    caption = f"{verdict.decision.value}  {verdict.reason}"
    banner = caption_strip((caption,), size[0], text_scale, COLOURS[verdict.decision])
    return np.concatenate([banner, canvas])


def write_picture(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write a PNG through a temporary file, so that it is never incomplete. Raises OutfeedError."""
    fine, data = cv2.imencode(".png", pixels)
    if not fine:
        raise OutfeedError(f"{path}: cannot be encoded as PNG")
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data.tobytes())
        part.replace(path)
    except OSError as error:
        raise OutfeedError(f"{path}: cannot be written: {error.strerror}") from error


def caption_strip(
    lines: tuple[str, ...], width: int, text_scale: float, colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Return lines of text, white on a colour, each cut to the width."""
    (_, text_height), below = cv2.getTextSize("Ag", _TEXT_FONT, text_scale, 1)
    step = text_height + below + 6
    strip = np.full((step * len(lines) + 4, width, 3), colour, np.uint8)
    for number, line in enumerate(lines):
        text = _cut(line, width - 8, text_scale)
        origin = (4, 2 + step * number + text_height + 3)
        cv2.putText(strip, text, origin, _TEXT_FONT, text_scale, _WHITE, 1, cv2.LINE_AA)
    return strip


def _label(
    canvas: NDArray[np.uint8],
    text: str,
    corner: tuple[int, int],
    end: tuple[int, int],
    text_scale: float,
) -> None:
    """Draw text, white on red, above the box, or below it without space; always in the picture."""
    (wide, high), below = cv2.getTextSize(text, _TEXT_FONT, text_scale, 1)
    tall = high + below + 2
    top = corner[1] - tall if corner[1] >= tall else min(end[1] + 1, canvas.shape[0] - tall)
    left = max(0, min(corner[0], canvas.shape[1] - wide - 4))
    top = max(0, top)
    colour = COLOURS[Decision.REJECT]
    cv2.rectangle(canvas, (left, top), (left + wide + 3, top + tall - 1), colour, cv2.FILLED)
    origin = (left + 2, top + high + 1)
    cv2.putText(canvas, text, origin, _TEXT_FONT, text_scale, _WHITE, 1, cv2.LINE_AA)


def _cut(text: str, width: int, text_scale: float) -> str:
    while text and cv2.getTextSize(text, _TEXT_FONT, text_scale, 1)[0][0] > width:
        text = text.removesuffix("...")[:-1].rstrip() + "..." if len(text) > 3 else ""
    return text


def _bgr(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if pixels.ndim == 3:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
