"""Calibration: its memory does not grow with the number of frames."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed")

ROOT = Path(__file__).resolve().parents[2]

# A frame of 64×64 is 16 MiB of activations: eight layers of 128 channels.
PROGRAM = """
import resource, sys
import numpy as np
from torch import nn
from export.float_onnx import export_float
from export.quantisation.quantise import Range, Scheme, quantise
from models.networks import DetectorNetwork

class Wide(DetectorNetwork):
    stride_px = multiple_px = 1
    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(1, 128, 1)]
        for _ in range(7):
            layers += [nn.ReLU(), nn.Conv2d(128, 128, 1)]
        self.body = nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(128, 1, 1))
    def raw(self, x):
        return self.body(x)

graph = export_float(Wide(), 1)
rng = np.random.default_rng(0)
for count in (4, 20):
    frames = list(rng.integers(0, 256, (count, 64, 64), np.uint8))
    quantise(graph, frames, Range(-6, 6), Scheme(sys.argv[1]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.parametrize("calibration", ["minmax", "percentile"])
def test_memory_is_flat(calibration: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, calibration],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    few, many = map(int, done.stdout.split())
    assert many - few < 4 * 16, "16 frames more are 256 MiB of activations"
