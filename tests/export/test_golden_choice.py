"""The choice of golden frames, on chains that differ by a known severity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import SingleKindClassifier
from edge.chain.inspector import Inspector
from edge.records import SeverityMap
from export.errors import ExportError
from export.golden import LIMITS, choose_golden
from models.data.dataset import Sample
from models.training.patches import Picture

T = 6.0
KINDS = (KindManifest(name="mark"),)


@dataclass(frozen=True)
class Grey:
    """A detector: severity is the grey level, and differs by an error on bad and on good parts."""

    on_bad: float
    on_good: float

    def detect(self, pixels: npt.NDArray[np.uint8]) -> SeverityMap:
        values = pixels[::2, ::2].astype(np.float32) * np.float32(12 / 255)
        error = self.on_bad if pixels.max() > 127 else self.on_good
        return SeverityMap(np.clip(values + np.float32(error), 0, 12), 1.0, 0, 2)


def _chain(on_bad: float = 0.0, on_good: float = 0.0) -> Inspector:
    chain = ChainManifest(threshold=T)
    return Inspector(Grey(on_bad, on_good), SingleKindClassifier(KINDS), chain, KINDS, lambda: 0)


def _pictures() -> list[Picture]:
    good, bad = np.full((64, 64), 40, np.uint8), np.full((64, 64), 40, np.uint8)
    bad[20:40, 20:40] = 240
    return [
        Picture(Sample("bad.png", Path("b"), "b", ("mark",)), bad, (bad > 127).astype(np.uint8)),
        Picture(Sample("good.png", Path("g"), "g"), good, np.zeros_like(good)),
    ]


@pytest.mark.parametrize(
    ("on_bad", "on_good", "severity", "decisions"),
    [
        (0.0, 0.0, 0.5, ["REJECT", "PASS"]),
        (0.7, 0.0, 1.0, ["REJECT", "PASS"]),
        (0.0, 0.7, 1.0, ["REJECT", "PASS"]),  # wider, so that a good frame is left
        (0.0, 1.5, 2.0, ["REJECT", "PASS"]),
        (0.0, 3.0, 0.5, ["REJECT"]),  # the chains agree on no good frame
    ],
)
def test_the_closest_limits_that_leave_both_sorts(
    on_bad: float, on_good: float, severity: float, decisions: list[str]
) -> None:
    chains = {"onnx": _chain(), "torch": _chain(on_bad, on_good)}
    golden = choose_golden(chains, _pictures(), (64, 64), T)
    assert golden.limits.severity == severity
    assert [frame.decision for frame in golden.frames] == decisions


def test_no_defect_within_the_widest_limits() -> None:
    chains = {"onnx": _chain(), "torch": _chain(on_bad=-(LIMITS[-1].severity + 0.5))}
    with pytest.raises(ExportError, match="no validation picture with a real or synthetic defect"):
        choose_golden(chains, _pictures()[:1], (64, 64), T)


@dataclass(frozen=True)
class Mean:
    """A detector that sees large defects only: the mean distance from grey level 40."""

    def detect(self, pixels: npt.NDArray[np.uint8]) -> SeverityMap:
        mean = np.float32(np.abs(pixels.astype(np.float32) - 40).mean() * 12 / 255)
        shape = (pixels.shape[0] // 2, pixels.shape[1] // 2)
        return SeverityMap(np.full(shape, mean, np.float32), 1.0, 0, 2)


def test_the_smallest_disc_where_t_rejects_no_small_defect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chain = ChainManifest(threshold=1.0)
    mean = Inspector(Mean(), SingleKindClassifier(KINDS), chain, KINDS, lambda: 0)
    golden = choose_golden({"onnx": mean, "torch": mean}, _pictures()[1:], (64, 64), 1.0)
    assert [frame.decision for frame in golden.frames] == ["REJECT", "PASS"]
    shown = cv2.imdecode(np.frombuffer(golden.files["golden/00.png"], np.uint8), 0)
    # A white disc of 40 % of the side covers 12.6 %: 215 * 0.126 * 12 / 255 = 1.3.
    assert 0.10 < (shown == 255).mean() < 0.15
    assert "a disc of 40 % of the shorter side; small defects pass" in caplog.text


def test_no_disc_where_a_small_defect_is_rejected(caplog: pytest.LogCaptureFixture) -> None:
    chains = {"onnx": _chain(), "torch": _chain()}
    choose_golden(chains, _pictures(), (64, 64), T)
    assert not caplog.text
