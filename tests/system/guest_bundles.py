"""Run inside the emulated machine by tests/system/run.py: the shipped bundles on arm64.

Their golden frames were judged on x86-64. The bundle holds the limits for another processor.
"""

import platform
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import read_bundle
from edge.chain.golden import block_peaks
from edge.chain.load import build_inspector, prove
from edge.engines.registry import EngineChoice
from edge.images import decode_image
from edge.records import Frame

ENGINE = EngineChoice()


@pytest.mark.parametrize("name", ["textures-lean", "textures-nano"])
def test_a_shipped_bundle_reproduces_its_golden_frames(name: str) -> None:
    bundle = read_bundle(Path(f"models/zoo/{name}.outfeed"))
    inspector = build_inspector(bundle, now_ns=lambda: 0, engine=ENGINE)
    prove(bundle, inspector, ENGINE)
    worst, equal = 0.0, 0
    for golden in bundle.manifest.golden:
        pixels = decode_image(bundle.files[golden.file], name="picture")
        found = block_peaks(inspector.examine(Frame(1, 1, 0, 0, pixels)).severity)
        differences = np.abs(found - np.asarray(golden.grid, np.float32))
        worst = max(worst, float(differences.max()))
        equal += int((differences < 1e-3).sum())
    blocks = sum(len(golden.grid) * len(golden.grid[0]) for golden in bundle.manifest.golden)
    limit = ENGINE.build(bundle).golden.severity
    said = f"{name} on {platform.machine()}: {equal} of {blocks} blocks as on the machine of export"
    Path("/dev/console").write_text(f"\n{said}, severity differs by {worst:.2f}, limit {limit:g}\n")
