"""A bundle is accepted whole or refused with one line that names the file and the fault."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edge.bundle import (
    COMPATIBLE,
    MANIFEST,
    BuildManifest,
    ChainManifest,
    ClassifierManifest,
    DetectorFile,
    DetectorManifest,
    GoldenManifest,
    KindManifest,
    Manifest,
    pack,
    read_bundle,
    write_bundle,
)
from edge.bundle import archive as bundle_module
from edge.errors import BundleError

FILES = {"detector.onnx": b"network", "classifier.onnx": b"blocks", "golden/one.png": b"picture"}
DETECTOR = DetectorManifest(
    network="lean",
    channels=1,
    height=64,
    width=96,
    overlap_px=32,
    multiple_px=16,
    stride_px=2,
)
BUILD = BuildManifest(
    format="onnx",
    precision="int8",
    detector=DetectorFile(file="detector.onnx", scale=0.05),
    classifier="classifier.onnx",
)
CONTENT = Manifest(
    name="tiles",
    version="1.0",
    outfeed_version="0.1.0",
    detector=DETECTOR,
    classifier=ClassifierManifest(channels=1, size_px=64),
    chain=ChainManifest(threshold=4.0),
    kinds=(KindManifest(name="hole"), KindManifest(name="crack")),
    builds=(BUILD,),
    golden=(GoldenManifest(file="golden/one.png", decision="PASS", grid=((1.0,),)),),
    metrics={"int8": {"mean_iou": 0.8, "image_ap": float("nan")}},
)


def sealed(body: bytes) -> bytes:
    """A zip without comment bytes, with the digest that its bytes have."""
    return body + hashlib.sha256(body).hexdigest().encode()


def archive(entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Any zip, sealed as a bundle is: what somebody could make who knows how."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in entries:
            file.writestr(zipfile.ZipInfo(name), data, compression)
        file.comment = b"0" * 64
    return sealed(buffer.getvalue()[:-64])


def manifest_of(files: dict[str, bytes], **changes: Any) -> bytes:
    """CONTENT's manifest with keys replaced; a change {"detector.scale": 1} goes below."""
    with zipfile.ZipFile(io.BytesIO(pack(CONTENT, FILES))) as packed:
        content = json.loads(packed.read(MANIFEST))
    content["files"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
    }
    for path, value in changes.items():
        *above, key = path.split("__")
        section = content
        for step in above:
            section = section[int(step) if isinstance(section, list) else step]
        if value is None:
            del section[key]
        else:
            section[key] = value
    return json.dumps(content).encode()


def refusal(path: Path, data: bytes) -> str:
    """What read_bundle says of the bytes: one line that names the file."""
    path.write_bytes(data)
    with pytest.raises(BundleError) as caught:
        read_bundle(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiles.outfeed"


def test_a_bundle_comes_back_as_it_was_packed(path: Path) -> None:
    data = pack(CONTENT, FILES)
    write_bundle(path, data)
    found = read_bundle(path)
    assert found.files == FILES
    assert found.size_bytes == len(data)
    assert found.digest == hashlib.sha256(data[:-64]).hexdigest()
    assert found.id == f"tiles-1.0-{found.digest[:12]}"
    assert {name: entry.bytes for name, entry in found.manifest.files.items()} == {
        name: len(content) for name, content in FILES.items()
    }
    bare = found.manifest.model_copy(update={"files": {}, "metrics": {}})
    assert bare == CONTENT.model_copy(update={"metrics": {}})


def test_the_same_content_gives_the_same_bytes() -> None:
    backwards = dict(reversed(FILES.items()))
    assert pack(CONTENT, FILES) == pack(CONTENT, backwards)


def test_a_measure_that_is_not_a_number_survives(path: Path) -> None:
    """Nothing to count is nan in models.metrics, and null in JSON, which has no nan."""
    data = pack(CONTENT, FILES)
    assert b"NaN" not in data
    path.write_bytes(data)
    metrics = read_bundle(path).manifest.metrics["int8"]
    assert metrics["mean_iou"] == 0.8
    assert math.isnan(metrics["image_ap"])


def test_every_flipped_bit_is_refused(path: Path) -> None:
    data = bytearray(pack(CONTENT, FILES))
    expected = bytes(data)
    for place in range(len(data)):
        for bit in range(8):
            data[place] ^= 1 << bit
            with pytest.raises(BundleError, match="does not match"):
                bundle_module.parse_bundle(bytes(data))
            data[place] ^= 1 << bit
    assert bytes(data) == expected
    bundle_module.parse_bundle(expected)


def test_every_truncation_and_any_appended_byte_is_refused(path: Path) -> None:
    data = pack(CONTENT, FILES)
    for size in range(len(data)):
        with pytest.raises(BundleError):
            bundle_module.parse_bundle(data[:size])
    for more in (b"\0", b"\n", b"0" * 64, data):
        assert "does not match" in refusal(path, data + more)
        assert "does not match" in refusal(path, more + data)


def test_an_empty_file_and_other_files_are_refused(path: Path) -> None:
    assert "not a bundle" in refusal(path, b"")
    assert "not a bundle" in refusal(path, b"a text\n" * 20)
    assert "not a bundle" in refusal(path, sealed(b"a text\n" * 20))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as plain:
        plain.writestr("a.txt", "a")
    assert "not a bundle" in refusal(path, buffer.getvalue())


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"none\.outfeed: cannot be read: No such file"):
        read_bundle(tmp_path / "none.outfeed")
    with pytest.raises(BundleError, match="cannot be read: Is a directory"):
        read_bundle(tmp_path)


def test_a_huge_file_is_refused_and_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pack(CONTENT, FILES)
    monkeypatch.setattr(bundle_module, "MAX_BYTES", len(data))
    path.write_bytes(data)
    read_bundle(path)
    monkeypatch.setattr(bundle_module, "MAX_BYTES", len(data) - 1)
    assert (
        refusal(path, data) == f"is larger than {len(data) - 1} bytes, the most a bundle may have"
    )


@pytest.mark.parametrize(
    "name", ["../detector.onnx", "/etc/x.onnx", "a/../b.onnx", "C:x.onnx", "."]
)
def test_a_name_that_leads_elsewhere_is_refused(path: Path, name: str) -> None:
    files = {**FILES, name: b"x"}
    said = refusal(path, archive([(MANIFEST, manifest_of(FILES)), *files.items()]))
    assert said == f"holds {name!r}, which its manifest does not name"
    said = refusal(path, archive([(MANIFEST, manifest_of(files)), *files.items()]))
    assert said.startswith(f"{MANIFEST}: key ")
    assert "pattern '^[a-z0-9]" in said
    with pytest.raises(BundleError, match="pattern"):
        pack(CONTENT, files)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(path: Path) -> None:
    entries = [(MANIFEST, manifest_of(FILES)), *FILES.items(), ("detector.onnx", b"other")]
    assert refusal(path, archive(entries)) == "holds two files of one name"
    with pytest.raises(BundleError, match=r"names manifest\.json among its files"):
        pack(CONTENT, {**FILES, MANIFEST: b"{}"})


def test_a_compressed_file_is_refused(path: Path) -> None:
    entries = [(MANIFEST, manifest_of(FILES)), *FILES.items()]
    said = refusal(path, archive(entries, zipfile.ZIP_DEFLATED))
    assert said == "holds a compressed file; expected stored ones"


def test_a_missing_an_extra_and_an_exchanged_file_are_refused(path: Path) -> None:
    text = manifest_of(FILES)
    less = [(name, data) for name, data in FILES.items() if name != "detector.onnx"]
    assert refusal(path, archive([(MANIFEST, text), *less])) == (
        "lacks 'detector.onnx', which its manifest names"
    )
    more = [*FILES.items(), ("extra.onnx", b"x")]
    assert refusal(path, archive([(MANIFEST, text), *more])) == (
        "holds 'extra.onnx', which its manifest does not name"
    )
    other = {**FILES, "detector.onnx": b"neTwork"}
    assert refusal(path, archive([(MANIFEST, text), *other.items()])) == (
        "'detector.onnx' is not the file that its manifest names"
    )
    assert refusal(path, archive(list(FILES.items()))) == f"lacks {MANIFEST}"


def test_a_wrong_size_in_the_manifest_is_refused(path: Path) -> None:
    text = manifest_of(FILES)
    wrong = text.replace(b'"bytes": 7, "sha256"', b'"bytes": 8, "sha256"', 1)
    assert wrong != text
    said = refusal(path, archive([(MANIFEST, wrong), *FILES.items()]))
    assert said.endswith("is not the file that its manifest names")


def test_a_manifest_names_a_file_that_is_not_there(path: Path) -> None:
    less = {name: data for name, data in FILES.items() if name != "golden/one.png"}
    said = refusal(path, archive([(MANIFEST, manifest_of(less)), *less.items()]))
    assert said == "names 'golden/one.png' and does not hold it"
    with pytest.raises(BundleError, match=r"names 'golden/one\.png' and does not hold it"):
        pack(CONTENT, less)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, "manifest.json: unknown key 'colour'"),
        ({"detector__colour": "red"}, "unknown key 'detector.colour'"),
        ({"name": None}, "key 'name' is missing"),
        ({"name": "Tiles"}, "key 'name': string should match pattern '^[a-z0-9]"),
        ({"format": 1}, "key 'format'"),
        (
            {"compatible": ["outfeed-chain-9"]},
            f"is for outfeed-chain-9; this station runs {COMPATIBLE}",
        ),
        ({"compatible": []}, f"is for nothing; this station runs {COMPATIBLE}"),
        (
            {"builds__0__detector__scale": float("inf")},
            "key 'builds.0.detector.scale': input should be a finite",
        ),
        ({"golden__0__grid": [[float("nan")]]}, "grid.0.0': input should be a finite"),
        ({"builds__0__golden__severity": 13.0}, "key 'builds.0.golden.severity'"),
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
    assert said in refusal(path, archive([(MANIFEST, text), *FILES.items()]))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b'{"a\nb": 1}', b"null"])
def test_a_manifest_that_is_none_is_refused(path: Path, text: bytes) -> None:
    refusal(path, archive([(MANIFEST, text), *FILES.items()]))


def test_archives_that_somebody_made_up_give_one_line_each() -> None:
    """Damage under a digest that fits: whatever zipfile meets, the answer is a BundleError."""
    body = pack(CONTENT, FILES)[:-64]
    rng = random.Random(1)
    refused = []
    for _ in range(3000):
        damaged = bytearray(body)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 0x50))
        try:
            bundle_module.parse_bundle(sealed(bytes(damaged)))
        except BundleError as error:
            refused.append(str(error))
    assert len(refused) > 1500
    assert not [line for line in refused if "\n" in line]


def test_overlapping_files_are_refused(path: Path) -> None:
    """Two directory entries over one range of bytes: a small file that unpacks to a large one."""
    body = archive([("a.onnx", b"x" * 5000), ("b.onnx", b"")])[:-64]
    with zipfile.ZipFile(io.BytesIO(body + b"0" * 64)) as file:
        directory = file.start_dir
    entries = bytearray(body)
    second = entries.find(b"PK\x01\x02", directory + 4)
    size = (5000).to_bytes(4, "little") * 2
    entries[second + 20 : second + 28] = size  # compressed and whole size
    entries[second + 42 : second + 46] = (0).to_bytes(4, "little")  # where the first one lies
    said = refusal(path, sealed(bytes(entries)))
    assert said == "holds files that overlap"


def test_a_write_that_fails_leaves_what_was_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_bundle(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208


def test_a_write_makes_its_folder_and_replaces_a_bundle(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.outfeed"
    write_bundle(path, b"old")
    write_bundle(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]
