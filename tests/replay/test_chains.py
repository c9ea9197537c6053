"""The bundle and the engine of a replay, and refusals where one of them is not available."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.bundle import parse_bundle, write_bundle
from edge.engines.registry import EngineChoice
from edge.errors import BundleError
from edge.pictures.kept_bundles import bundle_path
from edge.pictures.provenance import provenance_of
from edge.replay.chains import ReplayChains
from tests.support.bundles import bundle_bytes

DATA = bundle_bytes()
ORIGIN = provenance_of(parse_bundle(DATA), EngineChoice("ort", 1, "int8"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(bundle_path(tmp_path, ORIGIN.bundle_digest), DATA)
    return tmp_path


def test_the_same_origin_is_the_same_digest_and_nothing_differs(folder: Path) -> None:
    chain = ReplayChains(folder).of(ORIGIN)
    assert chain.origin.digest == ORIGIN.digest
    assert chain.origin.differences(ORIGIN) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": "riscv64"}, ", was riscv64"),
        ({"processor": "another"}, ", was another"),
        ({"package": "onnxruntime 1.0"}, ", was onnxruntime 1.0"),
        ({"numpy": "1.0"}, "numpy "),
        ({"opencv": "1.0"}, "opencv "),
        ({"build": "onnx-float32"}, "build "),
    ],
)
def test_what_counts_as_another(change: dict[str, str], said: str) -> None:
    other = replace(ORIGIN, **change)
    assert other.digest != ORIGIN.digest
    (difference,) = ORIGIN.differences(other)
    assert said in difference


def test_outfeeds_own_version_does_not_count() -> None:
    assert replace(ORIGIN, outfeed="9.9").digest == ORIGIN.digest


def test_parts_of_one_origin_share_a_chain(folder: Path) -> None:
    chains = ReplayChains(folder)
    first = chains.of(ORIGIN)
    assert chains.of(replace(ORIGIN, processor="another")) is first
    write_bundle(bundle_path(folder, "other"), b"")
    newer = bundle_bytes(version="2.0")
    newer_origin = provenance_of(parse_bundle(newer), EngineChoice("ort", 1, "int8"))
    write_bundle(bundle_path(folder, newer_origin.bundle_digest), newer)
    assert chains.of(newer_origin).bundle.manifest.version == "2.0"
    assert chains.of(ORIGIN).bundle.manifest.version == "1.0"


def test_what_another_build_may_differ_by_is_in_the_certificate(folder: Path) -> None:
    chain = replace(ReplayChains(folder).of(ORIGIN), errors={"onnx-int8": 0.4, "onnx-float32": 0.3})
    same = chain.tolerance(replace(ORIGIN, processor="another")).limits
    assert (same.severity, same.box_px, same.area, same.confidence) == (0.5, 4, 0.25, 0.25)
    other = chain.tolerance(replace(ORIGIN, build="onnx-float32")).limits
    assert other.severity == pytest.approx(0.7)
    assert (other.box_px, other.area, other.confidence) == (8, 0.5, 0.5)
    unknown = chain.tolerance(replace(ORIGIN, build="onnx-float32", bundle_digest="00" * 32))
    assert unknown.limits == same  # another bundle's certificate does not apply here


def test_an_engine_of_a_later_version(folder: Path) -> None:
    with pytest.raises(BundleError, match="engine 'npu' is unknown here"):
        ReplayChains(folder).of(replace(ORIGIN, engine="npu"))


def test_a_bundle_that_does_not_prove_itself_replays_nothing(tmp_path: Path) -> None:
    golden = parse_bundle(DATA).manifest.golden
    wrong = tuple(
        frame.model_copy(update={"grid": tuple((6.0,) * len(row) for row in frame.grid)})
        for frame in golden
    )
    data = bundle_bytes(expected=wrong)
    digest = parse_bundle(data).digest
    write_bundle(bundle_path(tmp_path, digest), data)
    with pytest.raises(BundleError, match="does not reproduce its golden frame"):
        ReplayChains(tmp_path).of(replace(ORIGIN, bundle_digest=digest))


def test_a_bundle_that_is_given_serves_every_part(folder: Path) -> None:
    other = folder / "other.outfeed"
    write_bundle(other, bundle_bytes(version="2.0"))
    chains = ReplayChains(folder / "nowhere", other=other)
    chain = chains.of(ORIGIN)
    assert chain.bundle.manifest.version == "2.0"
    assert chains.of(replace(ORIGIN, bundle_digest="00" * 32)) is chain
