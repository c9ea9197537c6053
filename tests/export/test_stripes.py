"""Every architecture in stripes, in float and int8: the map of one run, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime.quantization")
import torch

from edge.chain.stripes.detector import StripedDetector
from edge.chain.stripes.onnx_reach import onnx_reach
from edge.chain.stripes.reach import NotLocalError
from edge.engines.workers import Workers
from export.float_onnx import station_graph, tail_of
from export.quantisation.quantise import Range, quantise
from models.methods.padim.network import PaDiMDetector
from models.networks import DetectorNetwork, build_detector, normalise
from tests.chain.stripes.frames import require_equal, stripes_of, surface
from tests.support.traced import traced_once

ARCHITECTURES = [("paper", 4), ("paper", 2), ("nano", 2), ("lean", 2), ("large", 2)]
ARCHITECTURES += [("extra-large", 2)]
SLOW = [pytest.param(*each, marks=pytest.mark.slow) for each in ARCHITECTURES[1:]]


def untrained(name: str, resolution: int, frame: np.ndarray) -> DetectorNetwork:
    """Return a network with random weights, whose severity has the whole scale on the frame."""
    torch.manual_seed(0)
    network = build_detector(name, 1, resolution).eval()
    last = network.conv4 if name == "paper" else network.head
    assert isinstance(last, torch.nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.bias.zero_()
        raw = network.raw(normalise(torch.from_numpy(frame)[None, None]))
        last.weight.mul_(3 / raw.std())
        last.bias.fill_((0.0 if network.logistic else 6.0) - 3 * float(raw.mean() / raw.std()))
    return network


@pytest.mark.parametrize(("name", "resolution"), [ARCHITECTURES[0], *SLOW])
def test_every_architecture(name: str, resolution: int) -> None:
    frames = [surface(256, 256, seed=seed) for seed in (1, 2)]
    network = untrained(name, resolution, frames[0])
    traced, tail = traced_once(network, 1), tail_of(network)
    spread = Range(-6, 6) if tail.sigmoid else Range(0, 12)
    for model in (traced, quantise(traced, frames, spread)):
        data = station_graph(model, tail).SerializeToString()
        stripes = stripes_of(data, network)
        reach = stripes.rows.before_px + stripes.rows.after_px
        side = 2 * reach // 32 * 32 + 96
        detector = StripedDetector(stripes, Workers(1), max_run_px=(reach + 96) ** 2)
        require_equal(stripes, detector, surface(side + 13, side + 37))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lean", "nano"])
def test_a_decision_head_sees_the_whole_picture(name: str) -> None:
    network = build_detector(name, 1, 2, decision=True).eval()
    data = station_graph(traced_once(network, 1), tail_of(network)).SerializeToString()
    with pytest.raises(NotLocalError):
        onnx_reach(data)


@pytest.mark.slow
def test_a_method_that_compares_places_is_refused() -> None:
    network = PaDiMDetector(reduction=1).eval()
    network.chosen, network.mean = torch.arange(4), torch.zeros(4, 16, 16)
    network.whiten = torch.zeros(256, 4, 4)
    data = station_graph(traced_once(network, 1), tail_of(network)).SerializeToString()
    with pytest.raises(NotLocalError):
        onnx_reach(data)


def test_a_reach_is_as_far_as_values_that_are_not_numbers_go() -> None:
    """One NaN among the pixels makes exactly those cells NaN that depend on it."""
    network = untrained("paper", 4, surface(256, 256, seed=1))
    rows = stripes_of(
        station_graph(traced_once(network, 1), tail_of(network)).SerializeToString(), network
    ).rows
    pixels = torch.zeros(1, 1, 320, 8)
    pixels[0, 0, 160] = torch.nan
    with torch.no_grad():
        hit = np.flatnonzero(torch.isnan(network(pixels))[0, 0, :, 0].numpy())
    stride = network.stride_px
    # Cell j depends on j · stride - before … (j + 1) · stride + after - 1.
    wanted = [
        j
        for j in range(320 // stride)
        if j * stride - rows.before_px <= 160 < (j + 1) * stride + rows.after_px
    ]
    assert hit.tolist() == wanted
