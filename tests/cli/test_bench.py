"""outfeed bench: the figures are there, and of what was asked for."""

import json
from pathlib import Path

import numpy as np
import pytest

from edge.benchmark.timing import fit, parse_size
from edge.errors import UsageError
from tests.cli.conftest import Outfeed
from tests.support.bundles import HOLE

STEPS = ["detect", "filter", "components", "classify", "decide", "total"]


def test_golden_frames_in_their_own_size(outfeed: Outfeed, bundle: Path) -> None:
    result = outfeed("bench", "-b", bundle, "--repeat", 5, "--json")
    assert result.status == 0
    report = json.loads(result.out)
    assert [(s["size"], s["sort"]) for s in report["samples"]] == [
        ("128x96", "clean"),
        ("128x96", "with regions"),
    ]
    assert [s["steps"]["total"]["count"] for s in report["samples"]] == [5, 10]
    for sample in report["samples"]:
        assert list(sample["steps"]) == STEPS
        total = sample["steps"]["total"]
        assert 0 < total["p50_us"] <= total["p99_us"] <= total["p999_us"] <= total["max_us"]
    assert report["samples"][0]["steps"]["classify"]["max_us"] == 0
    assert report["cold_start"]["first_verdict_ms"] > 10
    assert report["cold_start"]["peak_rss_kib"] >= report["cold_start"]["rss_kib"] > 10_000
    assert report["bundle_bytes"] == bundle.stat().st_size
    assert report["warm_up_frames"] == 20


def test_sizes_frames_and_time(outfeed: Outfeed, bundle: Path, pictures: Path) -> None:
    sizes = ("--size", "64x32", "--size", "300x200")
    arguments = ("--frames", pictures, "--seconds", 0.05, "--threads", 2, *sizes)
    result = outfeed("bench", "-b", bundle, *arguments)
    assert result.status == 0
    for said in ("64x32, clean", "300x200, clean", "300x200, with regions", "p99.9", "cold start"):
        assert said in result.out


def test_frames_that_are_not_there(outfeed: Outfeed, bundle: Path, tmp_path: Path) -> None:
    result = outfeed("bench", "-b", bundle, "--frames", tmp_path)
    assert (result.status, "no picture below it" in result.line) == (1, True)


@pytest.mark.parametrize("text", ["64", "64x", "8x64", "64x9000", "ax9", "-64x64", "64x64x1"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="expected WIDTHxHEIGHT"):
        parse_size(text)


def test_fit_crops_and_reflects() -> None:
    assert parse_size("300x200") == (200, 300)
    assert np.array_equal(fit(HOLE, 50, 60), HOLE[:50, :60])
    large = fit(HOLE, 300, 500)
    assert large.shape == (300, 500)
    assert np.array_equal(large[:96, :128], HOLE)
    assert np.array_equal(large[96], HOLE[-2].tolist() + large[96, 128:].tolist())
    assert fit(np.dstack([HOLE] * 3), 200, 200).shape == (200, 200, 3)
