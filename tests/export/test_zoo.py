"""The shipped bundles: signed by the shipped key, and right on every processor."""

from __future__ import annotations

from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

from edge.bundle import read_bundle  # noqa: E402
from edge.bundle.keys import read_public_key  # noqa: E402
from export.quantisation.headroom import overflows  # noqa: E402

ZOO = Path(__file__).resolve().parents[2] / "models/zoo"
BUNDLES = sorted(ZOO.glob("*.outfeed"))


def test_lean_and_nano_are_shipped() -> None:
    assert [path.stem for path in BUNDLES] == ["textures-lean", "textures-nano"]


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.stem)
def test_no_processor_cuts_off_what_a_network_adds_up(path: Path) -> None:
    bundle = read_bundle(path, {read_public_key(ZOO / "zoo.pub")})
    networks = [name for name in bundle.files if name.endswith(".onnx")]
    assert len(networks) >= 2
    for name in networks:
        assert overflows(onnx.load_from_string(bundle.files[name])) == (), name
