"""A chain whose detector has a decision head, on a simulated engine, and frames for it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import SingleKindClassifier
from edge.chain.inspector import Inspector
from edge.records import Frame
from tests.chain.fake_engines import SCALE, CellEngine, detector_manifest, regression

KINDS = (KindManifest(name="hole"),)
SIZE = (64, 96)


class DecidingEngine(CellEngine):
    """Every cell is the grey of its upper left pixel; the score is the pixel in the last corner."""

    def __init__(self, height: int, width: int, dtype: Any = np.uint8) -> None:
        super().__init__(height, width)
        self.output = np.zeros((1, height // 2 * (width // 2) + 1), dtype)

    def run(self, count: int | None = None) -> np.ndarray:
        self.runs.append(self.input[0].copy())
        self.output[0, :-1] = self.input[0, ::2, ::2, 0].ravel()
        self.output[0, -1] = self.input[0, -1, -1, 0]
        return self.output


def deciding_inspector(engine: CellEngine | None = None, **chain: float) -> Inspector:
    ticks = itertools.count(0, 1000)
    return Inspector(
        regression(engine or DecidingEngine(*SIZE), detector_manifest(*SIZE, part_score=True)),
        SingleKindClassifier(KINDS),
        ChainManifest(**{"threshold": 4.0, **chain}),  # type: ignore[arg-type]
        KINDS,
        lambda: next(ticks),
    )


def deciding_frame(part_score: float, defect: float = 0.0, size: tuple[int, int] = SIZE) -> Frame:
    pixels = np.zeros(size, np.uint8)
    pixels[20:28, 10:30] = round(defect / SCALE)
    pixels[-1, -1] = round(part_score / SCALE)
    return Frame(7, 7, 0, 0, pixels)
