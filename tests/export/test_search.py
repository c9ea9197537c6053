"""The search keeps in float what int8 cannot hold, and judges by defects that are lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")
import onnx
import torch
from torch import Tensor, nn

from edge.bundle import (
    BuildManifest,
    ChainManifest,
    DetectorFile,
)
from export.chains import Build, build_chain, torch_chain
from export.float_onnx import Tail, export_float, station_graph
from export.parity import Parity, ParityLimits
from export.quantisation.layers import rank_layers
from export.quantisation.quantise import Quantiser, Range, Scheme
from export.quantisation.search import SCHEMES, Trial, Tried, describe, pick, search
from models.networks import SEVERITY_MAX, DetectorNetwork
from tests.export.conftest import plain_manifest
from tests.support.bundles import CLEAN, HOLE, STAIN, picture

FRAMES = [("clean", CLEAN, False), ("hole", HOLE, True), ("stain", STAIN, True)]
FRAMES += [(f"hole {x}", picture((x, 20, x + 20, 40, 10 + x)), True) for x in (10, 30, 50, 70)]


FILE = DetectorFile(file="detector.onnx", scale=SEVERITY_MAX / 255, flexible=True)


class Planted(DetectorNetwork):
    """Severity is how dark a cell is; one of eight channels carries no information and spoils int8.

    'weights': the layer ``mix`` has weights a thousand times the others for a channel that is
    always 0. 'range': the channel is always 1000 and ``mix`` does not look at it.
    """

    stride_px = multiple_px = 2

    def __init__(self, where: str) -> None:
        super().__init__()
        self.darkness = nn.Conv2d(1, 8, 2, stride=2)
        self.mix = nn.Conv2d(8, 8, 1)
        self.sum = nn.Conv2d(8, 1, 1)
        with torch.no_grad():
            self.darkness.weight.fill_(-0.25)
            self.darkness.bias = nn.Parameter(torch.zeros(8))
            self.darkness.bias[7] = 1000.0 if where == "range" else -10.0
            self.mix.weight.copy_(torch.eye(8)[:, :, None, None])
            self.mix.weight[:, 7] = {"range": 0.0, "weights": 1000.0, "": 0.0}[where]
            self.mix.bias = nn.Parameter(torch.zeros(8))
            self.sum.weight.fill_(6 / 7)
            self.sum.weight[:, 7] = 0.0
            self.sum.bias = nn.Parameter(torch.zeros(1))

    def raw(self, x: Tensor) -> Tensor:
        return self.sum(torch.relu(self.mix(torch.relu(self.darkness(x)))))  # type: ignore[no-any-return]


class Bench:
    """A search over a network, as `make export` does it over a run's."""

    def __init__(self, where: str, limits: ParityLimits) -> None:
        self.network = Planted(where).eval()
        graph = export_float(self.network, 1)
        crops = [pixels for _, pixels, _ in FRAMES]
        self.quantiser = Quantiser(graph, crops, Range(0.0, SEVERITY_MAX))
        self.graph = graph
        build = BuildManifest(format="onnx", precision="int8", detector=FILE)
        self.manifest = plain_manifest("planted", build, size=(96, 128))
        reference = torch_chain(self.network, None, self.manifest, flexible=True)
        self.trial = Trial(reference, lambda: FRAMES, 4.0, limits)

    def chain(self, model: onnx.ModelProto) -> Any:
        data = station_graph(model, Tail(sigmoid=False, shuffle=1)).SerializeToString()
        return build_chain(self.manifest, Build(self.manifest.builds[0], {"detector.onnx": data}))

    def error(self, model: onnx.ModelProto) -> float:
        return self.trial.judge("x", {Scheme(): self.chain(model)})[0].parity.severity_error_mean


@pytest.mark.parametrize(("where", "kept"), [("weights", {"mix"}), ("range", {"darkness", "mix"})])
def test_a_planted_outlier_is_found_and_kept_in_float(where: str, kept: set[str]) -> None:
    bench = Bench(where, ParityLimits())
    found = search("detector", bench.quantiser, bench.chain, bench.trial, error=bench.error)
    plain = found.tried[: len(SCHEMES)]
    assert all(tried.fault for tried in plain), "int8 alone loses it"
    names = dict(
        zip([n.name for n in bench.quantiser.layers], ("darkness", "mix", "sum"), strict=True)
    )
    assert {names[name] for name in found.scheme.keep_float if name in names} == kept
    assert len(found.tried) == len(SCHEMES) + 1, "the first step is enough"
    last = found.tried[-1]
    assert (last.fault, last.parity.missed, last.parity.mask_iou > 0.95) == ("", 0, True)
    assert "in float: " in describe(last.scheme)


def test_without_leave_to_keep_layers_the_best_is_told_with_its_fault() -> None:
    bench = Bench("weights", ParityLimits())
    found = search("detector", bench.quantiser, bench.chain, bench.trial)
    assert len(found.tried) == len(SCHEMES)
    assert found.scheme.keep_float == ()
    assert "rejected parts are passed" in found.tried[0].fault


def test_a_network_that_int8_holds_keeps_nothing() -> None:
    bench = Bench("", ParityLimits())
    found = search("detector", bench.quantiser, bench.chain, bench.trial, error=bench.error)
    assert len(found.tried) == len(SCHEMES)
    assert found.scheme.keep_float == ()
    assert not any(tried.fault for tried in found.tried)


def test_layers_that_suffer_come_first() -> None:
    bench = Bench("weights", ParityLimits())
    ranked = rank_layers(bench.quantiser, Scheme(), bench.error)
    layers = [node.name for node in bench.quantiser.layers]
    assert ranked[0].layers == (layers[1],), "one layer, though more would do as well"
    alone = {relief.layers[0]: relief.error for relief in ranked if len(relief.layers) == 1}
    assert alone[layers[1]] < 0.1 * min(alone[layers[0]], alone[layers[2]])
    together = next(relief for relief in ranked if {*layers[:2]} <= {*relief.layers})
    assert together.error <= alone[layers[1]]


PARITY = Parity(100, 0.10, 1.0, 2.0, 0.9, 1.0, 1.0, 1.0, 76, 0, 0, (), ())


def tried(
    missed: int = 0,
    error: float = 0.1,
    fault: str = "",
    keep: tuple[str, ...] = (),
    new_rejects: int = 0,
) -> Tried:
    scheme = Scheme(keep_float=keep)
    parity = replace(PARITY, missed=missed, severity_error_mean=error, new_rejects=new_rejects)
    return Tried("detector", scheme, parity, fault)


@pytest.mark.parametrize(
    ("ways", "best"),
    [
        ([tried(missed=1, error=0.2), tried(missed=2, error=0.1)], 1),  # 1 and 2 are alike
        ([tried(missed=0, error=0.2), tried(missed=5, error=0.1)], 0),  # 0 and 5 are not
        ([tried(fault="x", error=0.1), tried(missed=3, error=0.2)], 1),
        ([tried(fault="x", missed=9), tried(fault="y", missed=30, error=0.01)], 0),
        ([tried(keep=("a", "b")), tried(keep=("a",)), tried(keep=("a", "b", "c"))], 1),
        # Fewer missed, because it rejects nearly every part.
        ([tried(missed=4), tried(missed=0, new_rejects=24)], 0),
        ([tried(missed=4, fault="x"), tried(missed=0, new_rejects=24, fault="y")], 0),
        ([tried(missed=4), tried(missed=0, new_rejects=6)], 1),  # some more rejects are accepted
    ],
)
def test_what_is_picked(ways: list[Tried], best: int) -> None:
    assert pick(ways) is ways[best]


def test_misses_of_a_search_count_where_they_are_proven() -> None:
    """2 of 6 is above a limit of 2 %: the least share with 95 % is 6.3 %.

    For a limit of 10 % it is uncertain.
    """
    for limit, fault in ((0.02, True), (0.10, False)):
        bench = Bench("", ParityLimits(missed=limit, verdict_agreement=0, regions=0, mask_iou=0))
        deaf = bench.manifest.model_copy(update={"chain": ChainManifest(threshold=7.0)})
        chain = torch_chain(bench.network, None, deaf, flexible=True)
        told = bench.trial.judge("x", {Scheme(): chain})[0]
        assert (told.parity.missed, told.parity.found) == (2, 6)
        assert bool(told.fault) is fault
    assert np.isclose(told.parity.missed_share, 1 / 3)
