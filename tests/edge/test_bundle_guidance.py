"""Guidance files: their text as one line, what is refused, and a bundle with its certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.bundle import KindManifest, check_certificate, pack, parse_bundle, read_bundle
from edge.bundle.guidance import (
    MAX_GUIDANCE_CHARS,
    GuidanceFile,
    GuidanceText,
    read_guidance_file,
    replace_guidance,
)
from edge.errors import BundleError

ZOO = Path(__file__).parents[2] / "models" / "zoo" / "textures-lean.outfeed"
UTC = "2026-11-30T12:00:00Z"


def text(body: str, kind: str = "scratch", version: int = 3) -> GuidanceText:
    return GuidanceText(kind=kind, version=version, text=body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("File the edge.", "File the edge. (version 3)"),
        ("1. Stop.\n\n  2. Clean\tit. \r\n", "1. Stop. · 2. Clean it. (version 3)"),
        ("a\u202eb\x00c", "a b c (version 3)"),
    ],
)
def test_a_text_becomes_one_line(body: str, expected: str) -> None:
    assert text(body).line == expected
    assert KindManifest(name="scratch", guidance=text(body).line).guidance == expected


def test_a_long_text_is_cut_and_keeps_its_version() -> None:
    line = text("x" * 4000, version=12).line
    assert len(line) == MAX_GUIDANCE_CHARS
    assert line.endswith("x… (version 12)")
    assert KindManifest(name="scratch", guidance=line).guidance == line


def test_only_the_named_kinds_change() -> None:
    kinds = (KindManifest(name="dent", guidance="old"), KindManifest(name="scratch"))
    found = GuidanceFile(utc=UTC, kinds=(text("new"), text("other", "burr"))).apply(kinds)
    assert [each.guidance for each in found] == ["old", "new (version 3)"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("no JSON", "is no guidance of Outfeed"),
        ('{"type": "outfeed.guidance/2", "utc": "", "kinds": []}', "is no guidance of Outfeed"),
        ('{"utc": "", "kinds": [{"kind": "a", "version": 0, "text": "x"}]}', "version"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "guidance.json"
    file.write_text(content)
    with pytest.raises(BundleError, match=reason) as caught:
        read_guidance_file(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(BundleError, match=r"none\.json: No such file"):
        read_guidance_file(tmp_path / "none.json")


def test_the_certificate_follows_the_guidance() -> None:
    bundle = read_bundle(ZOO)
    kind = bundle.manifest.kinds[0].name
    guidance = GuidanceFile(utc=UTC, kinds=(text("Clean the roll.", kind),))
    changed = parse_bundle(pack(*replace_guidance(bundle, guidance)))
    assert changed.manifest.kinds[0].guidance == "Clean the roll. (version 3)"
    assert changed.manifest.kinds[1:] == bundle.manifest.kinds[1:]
    assert changed.manifest.builds == bundle.manifest.builds
    check_certificate(changed.manifest, changed.files)  # raises where it is another bundle's
    others = {name for name in bundle.files if changed.files[name] != bundle.files[name]}
    assert others == {"certificate.json"}
