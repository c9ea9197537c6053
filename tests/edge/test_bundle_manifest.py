"""Values of a manifest: those allowed, and those refused with one line that names the key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.bundle import CHAIN, COMPATIBLE, MANIFEST, pack, parse_bundle
from edge.bundle.manifest import MAX_MANIFEST_BYTES
from edge.errors import BundleError
from tests.edge.archives import BUILD, CONTENT, FILES, archive, manifest_of, refusal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiles.outfeed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, "manifest.json: unknown key 'colour'"),
        ({"detector__colour": "red"}, "unknown key 'detector.colour'"),
        ({"name": None}, "key 'name' is missing"),
        ({"name": "Tiles"}, "key 'name': string should match pattern '^[a-z0-9]"),
        ({"format": 1}, "key 'format'"),
        ({"name": "a" * 101}, "key 'name': string should match pattern"),
        ({"version": "v1"}, "key 'version': string should match pattern '^[0-9]"),
        ({"version": "1..2"}, "key 'version'"),
        ({"version": "1.2-3"}, "key 'version'"),
        ({"version": "1" * 10}, "key 'version'"),
        ({"version": "1.1.1.1.1.1.1.1.1"}, "key 'version'"),
        ({"version": "1+"}, "key 'version'"),
        ({"requires": "outfeed-chain-9"}, f"requires outfeed-chain-9; this is {CHAIN}"),
        ({"compatible": []}, "key 'compatible': tuple should have at least 1 item"),
        ({"compatible": ["a b"]}, "key 'compatible.0': string should match pattern"),
        ({"compatible": COMPATIBLE}, "key 'compatible': input should be a valid array"),
        ({"outfeed_version": "0\x1b[2J"}, "key 'outfeed_version': string should match pattern"),
        ({"kinds__1__name": "a\u202eb"}, "key 'kinds.1.name': string should match"),
        ({"outfeed_version": "0" * 1001}, "key 'outfeed_version': string should have at most"),
        ({"detector__height": "64"}, "key 'detector.height': input should be a valid integer"),
        ({"detector__height": 1 << 40}, "key 'detector.height': input should be less than"),
        (
            {"detector__height": 8192, "detector__width": 8192},
            "detector: height × width is above 16777216 px",
        ),
        (
            {"builds__0__detector__scale": float("inf")},
            "key 'builds.0.detector.scale': input should be a finite",
        ),
        ({"golden__0__grid": [[float("nan")]]}, "grid.0.0': input should be a finite"),
        ({"builds__0__golden__severity": 13.0}, "key 'builds.0.golden.severity'"),
        ({"reference": "absent.json"}, "names 'absent.json' and does not hold it"),
        ({"reference": "../x.json"}, "key 'reference': string should match pattern"),
        ({"builds": []}, "key 'builds': tuple should have at least 1 item"),
        ({"builds__0__format": "torch"}, "key 'builds.0.format'"),
        (
            {"builds": [BUILD.model_dump(), BUILD.model_dump()]},
            "builds: two of one format and precision",
        ),
        ({"builds__0__classifier": None}, "builds: onnx-int8 lacks the classifier"),
        ({"classifier": None}, "key 'classifier' is missing"),
        ({"detector__height": 72}, "detector.height is no multiple of 16"),
        ({"detector__width": 100}, "detector.width is no multiple of 16"),
        ({"detector__overlap_px": 20}, "detector.overlap_px is no multiple of 16"),
        ({"detector__overlap_px": 64}, "detector.overlap_px is not smaller than a tile"),
        ({"detector__multiple_px": 1}, "detector.multiple_px is no multiple of stride_px 2"),
        (
            {"builds__0__detector__file": "../x.onnx"},
            "key 'builds.0.detector.file': string should match",
        ),
        ({"builds__0__detector__file": "x.onnx"}, "names 'x.onnx' and does not hold it"),
        ({"builds__0__classifier": "y.onnx"}, "names 'y.onnx' and does not hold it"),
        ({"classifier__channels": 3}, "classifier.channels is not the detector's"),
        ({"kinds": []}, "has a classifier and no kinds"),
        ({"kinds__1__name": "hole"}, "kinds: two of one name"),
        ({"kinds__1__name": "a\nb"}, "key 'kinds.1.name': string should match"),
        ({"kinds__1__guidance": "a\nb"}, "key 'kinds.1.guidance': string should match"),
        ({"chain__threshold": 12.5}, "key 'chain.threshold'"),
        ({"chain__max_regions": 1001}, "key 'chain.max_regions'"),
        # 0.01 * 255 = 2.55 is below T = 4: every part would pass.
        (
            {"builds__0__detector__scale": 0.01},
            "chain.threshold is above 2.55, the most that the detector",
        ),
        ({"builds__0__detector__zero_point": 200}, "chain.threshold is above 2.75, the most"),
    ],
)
def test_a_manifest_that_cannot_be_right_is_refused(
    path: Path, change: dict[str, Any], said: str
) -> None:
    text = manifest_of(FILES, **change)
    assert said in refusal(path, archive({MANIFEST: text, **FILES}))


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{", b"[]", b"\xff\xfe", b'{"a\nb": 1}', b"null", b"NaN"),
        '{"a": 1}'.encode("utf-16"),
        '{"a\u2028b\x85c": 1}'.encode(),
        b'{"\\ud800": 1}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 10_000,
    ],
)
def test_a_manifest_that_is_none_is_refused(path: Path, text: bytes) -> None:
    assert refusal(path, archive({MANIFEST: text, **FILES})).startswith(f"{MANIFEST}: ")


def test_a_key_that_is_there_twice_is_refused(path: Path) -> None:
    """Parsers differ in which of the two they take."""
    text = manifest_of(FILES)
    twice = text.replace(b' "version": "1.0"', b' "version": "9.0",\n "version": "1.0"')
    assert refusal(path, archive({MANIFEST: twice, **FILES})) == (
        f"{MANIFEST}: key 'version' is there twice"
    )
    inner = text.replace(b'  "threshold": 4.0', b'  "threshold": 12.0,\n  "threshold": 4.0')
    assert inner != text
    assert refusal(path, archive({MANIFEST: inner, **FILES})) == (
        f"{MANIFEST}: key 'threshold' is there twice"
    )


def test_a_manifest_has_one_way_to_be_written(path: Path) -> None:
    text = manifest_of(FILES)
    content = json.loads(text)
    parse_bundle(archive({MANIFEST: text, **FILES}))
    for other in (
        text + b" ",
        text.replace(b"\n", b"\r\n"),
        text.replace(b'"tiles"', b'"\\u0074iles"'),
        text.replace(b"4.0", b"4.00"),
        json.dumps(content).encode(),
        json.dumps(dict(reversed(content.items())), indent=1).encode() + b"\n",
    ):
        assert other != text
        assert refusal(path, archive({MANIFEST: other, **FILES})) == (
            f"{MANIFEST}: is not written in the one way that a bundle's is"
        )


def test_a_manifest_too_large_to_be_one_is_not_parsed(path: Path) -> None:
    text = b" " * (MAX_MANIFEST_BYTES + 1)
    said = refusal(path, archive({MANIFEST: text, **FILES}))
    assert said == f"{MANIFEST}: is larger than {MAX_MANIFEST_BYTES} bytes"


@pytest.mark.parametrize("version", ["0", "1.2", "2026.01.15", "1.2.3+trial-4", "999999999"])
def test_versions(version: str) -> None:
    data = pack(CONTENT.model_copy(update={"version": version}), FILES)
    assert parse_bundle(data).manifest.version == version


def test_pack_refuses_what_a_station_would(path: Path) -> None:
    with pytest.raises(BundleError, match="key 'version'"):
        pack(CONTENT.model_copy(update={"version": "v1"}), FILES)
    with pytest.raises(BundleError, match=r"names manifest\.json among its files"):
        pack(CONTENT, {**FILES, MANIFEST: b"{}"})
