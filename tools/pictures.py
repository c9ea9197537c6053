"""`python -m tools.pictures`: write the pictures of README and documentation.

- ``docs/images/line.svg``: a line with camera, photo-eye, ejector and broker.
- ``docs/images/inspected-parts.jpg``: generated parts as `outfeed inspect --overlays` shows them,
  inspected by the shipped bundle `textures-lean`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge import Decision, Frame, Inspector, load_inspector
from edge.inspection.pictures import overlay
from models.data.textures import main as write_textures

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "images"
BUNDLE = ROOT / "models" / "zoo" / "textures-lean.outfeed"
TRUST = ROOT / "models" / "zoo" / "zoo.pub"
# Parts of `make run`: the shipped bundle rejects the first three, and each has a mask.
PARTS = ("00007", "00016", "00025", "00000")
_GAP_PX = 8

_BLUE, _GREY, _RED, _GREEN = "#78909c", "#90a4ae", "#d32f2f", "#388e3c"
_TEXT = 'font-family="system-ui, sans-serif" font-size="13" fill="#78909c"'


def line_drawing() -> str:
    """Return the drawing of a line as SVG. It has no background: it fits a light or a dark page."""
    parts = "".join(
        f'<rect x="{x}" y="146" width="34" height="24" rx="3" fill="{colour}"/>'
        for x, colour in ((60, _GREEN), (206, _GREEN), (340, _RED), (560, _GREEN))
    )
    wheels = "".join(
        f'<circle cx="{x}" cy="182" r="5" fill="{_GREY}"/>' for x in range(40, 680, 32)
    )
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 270" role="img">',
            "<title>Parts on a belt pass a photo-eye and a camera. A station decides. An ejector "
            "removes defective parts. Events go to a broker.</title>",
            f'<rect x="30" y="172" width="660" height="4" fill="{_BLUE}"/>{wheels}{parts}',
            f'<rect x="466" y="216" width="34" height="24" rx="3" fill="{_RED}"/>',
            _arrow("M483 118 V200"),
            _box(176, 16, 384, "station: detect · filter · components · classify · decide"),
            _box(596, 16, 110, "MQTT broker"),
            _box(196, 92, 64, "camera"),
            _box(458, 84, 60, "ejector"),
            f'<path d="M150 100 V168" stroke="{_RED}" stroke-width="2" stroke-dasharray="4 3"/>',
            f'<text x="150" y="92" text-anchor="middle" {_TEXT}>photo-eye</text>',
            f'<path d="M212 122 L198 168 M244 122 L258 168" stroke="{_GREY}"/>',
            _arrow("M228 90 V50"),
            _arrow("M488 50 V80"),
            _arrow("M562 32 H592"),
            _arrow("M150 74 V32 H172"),
            f'<text x="60" y="208" {_TEXT}>belt →</text>',
            f'<text x="512" y="234" {_TEXT}>defective parts</text>',
            f'<text x="600" y="140" {_TEXT}>good parts</text>',
            "</svg>\n",
        ]
    )


def inspected_parts(inspector: Inspector, folder: Path) -> NDArray[np.uint8]:
    """Return the pictures of `PARTS` side by side, BGR, with their defects boxed and named.

    folder: the generated parts. Raises RuntimeError where the decisions are others than three
    rejects and a pass.
    """
    tiles: list[NDArray[np.uint8]] = []
    decisions = []
    for name in PARTS:
        path = folder / "images" / f"{name}.png"
        pixels = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
        verdict = inspector.inspect(Frame.from_array(pixels))
        decisions.append(verdict.decision)
        tiles += [overlay(pixels, verdict), np.full((1, 1, 3), 255, np.uint8)]
    if decisions != [Decision.REJECT] * 3 + [Decision.PASS]:
        raise RuntimeError(f"decisions {decisions}: expected three rejects and a pass")
    height = max(tile.shape[0] for tile in tiles)
    gap = np.full((height, _GAP_PX, 3), 255, np.uint8)
    return np.hstack([tile if tile.shape[0] > 1 else gap for tile in tiles][:-1])


def main() -> None:
    """Write both pictures into docs/images."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "line.svg").write_text(line_drawing(), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        write_textures(
            ["--out", folder, "--count", "26", "--seed", "7", "--defective", "0.25", "--force"]
        )
        picture = inspected_parts(load_inspector(BUNDLE, trust=TRUST), Path(folder))
    cv2.imwrite(str(FOLDER / "inspected-parts.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 82])


def _box(left: int, top: int, width: int, text: str) -> str:
    return (
        f'<rect x="{left}" y="{top}" width="{width}" height="32" rx="5" fill="none" '
        f'stroke="{_BLUE}" stroke-width="2"/><text x="{left + width / 2:g}" y="{top + 21}" '
        f'text-anchor="middle" {_TEXT}>{text}</text>'
    )


def _arrow(path: str) -> str:
    """Return a line with a head of 5 px at its end. The path ends with V or H."""
    end = path.replace("M", "").replace("V", " V ").replace("H", " H ").split()
    x, y = float(end[0]), float(end[1])
    direction, sign = "", 1.0
    for command, value in zip(end[2::2], end[3::2], strict=True):
        target = float(value)
        old = y if command == "V" else x
        direction, sign = command, 1.0 if target > old else -1.0
        x, y = (x, target) if command == "V" else (target, y)
    head = (
        f"M{x - 4:g} {y - 5 * sign:g} L{x:g} {y:g} L{x + 4:g} {y - 5 * sign:g}"
        if direction == "V"
        else f"M{x - 5 * sign:g} {y - 4:g} L{x:g} {y:g} L{x - 5 * sign:g} {y + 4:g}"
    )
    return f'<path d="{path} {head}" fill="none" stroke="{_BLUE}" stroke-width="2"/>'


if __name__ == "__main__":
    main()
