"""A bundle is read as it was packed; a file that is no bundle is refused with one line."""

from __future__ import annotations

import hashlib
import io
import math
import os
import zipfile
from pathlib import Path

import pytest

from edge.bundle import MANIFEST, pack, read_bundle, sign_bundle, write_bundle
from edge.bundle import archive as bundle_module
from edge.bundle.keys import public_of
from edge.errors import BundleError
from tests.edge.archives import (
    CONTENT,
    FILES,
    archive,
    body_of,
    manifest_of,
    refusal,
    sealed,
)
from tests.support.keys import KEY, OTHER_KEY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiles.outfeed"


def test_a_bundle_comes_back_as_it_was_packed(path: Path) -> None:
    data = pack(CONTENT, FILES)
    write_bundle(path, data)
    found = read_bundle(path)
    assert found.files == FILES
    assert found.size_bytes == len(data)
    assert found.digest == hashlib.sha256(data[:-256]).hexdigest()
    assert found.id == f"tiles-1.0-{found.digest[:12]}"
    assert found.signer is None
    assert {name: entry.bytes for name, entry in found.manifest.files.items()} == {
        name: len(content) for name, content in FILES.items()
    }
    bare = found.manifest.model_copy(update={"files": {}, "metrics": {}})
    assert bare == CONTENT.model_copy(update={"metrics": {}})


def test_the_same_content_gives_the_same_bytes() -> None:
    backwards = dict(reversed(FILES.items()))
    assert pack(CONTENT, FILES) == pack(CONTENT, backwards)
    assert pack(CONTENT, FILES, KEY) == pack(CONTENT, backwards, KEY)


def test_signing_changes_the_seal_only(path: Path) -> None:
    unsigned, signed = pack(CONTENT, FILES), pack(CONTENT, FILES, KEY)
    assert len(signed) == len(unsigned)
    assert body_of(signed) == body_of(unsigned)
    assert sign_bundle(unsigned, KEY) == signed
    again = sign_bundle(signed, OTHER_KEY)
    assert again == pack(CONTENT, FILES, OTHER_KEY)
    for data, signer in ((signed, KEY), (again, OTHER_KEY)):
        path.write_bytes(data)
        assert read_bundle(path).signer == public_of(signer)
        assert read_bundle(path).id == bundle_module.parse_bundle(unsigned).id


def test_what_is_refused_is_not_signed() -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        sign_bundle(b"a text", KEY)
    with pytest.raises(BundleError, match=r"lacks manifest\.json"):
        sign_bundle(archive(FILES), KEY)


def test_zip_tools_read_a_bundle() -> None:
    """The very bytes that zipfile writes, and that it reads."""
    data = pack(CONTENT, FILES)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as ours, zipfile.ZipFile(buffer, "w") as theirs:
        assert ours.testzip() is None
        assert ours.namelist() == [MANIFEST, *sorted(FILES)]
        assert ours.comment == data[-256:]
        for name in ours.namelist():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            theirs.writestr(entry, ours.read(name))
        theirs.comment = data[-256:]
    assert buffer.getvalue() == data


def test_a_measure_that_is_not_a_number_survives(path: Path) -> None:
    """Nothing to count is nan in models.evaluation.metrics, and null in JSON, which has no nan."""
    data = pack(CONTENT, FILES)
    assert b"NaN" not in data
    path.write_bytes(data)
    metrics = read_bundle(path).manifest.metrics["int8"]
    assert metrics["mean_iou"] == 0.8
    assert math.isnan(metrics["image_ap"])


def test_an_empty_file_and_other_files_are_refused(path: Path) -> None:
    assert "not a bundle" in refusal(path, b"")
    assert "not a bundle" in refusal(path, b"a text\n" * 20)
    assert "not a bundle" in refusal(path, sealed(b"a text\n" * 20))
    assert "not a bundle" in refusal(path, sealed(b""))
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
    said = f"is larger than {len(data) - 1} bytes, the most a bundle may have"
    assert refusal(path, data) == said
    with pytest.raises(BundleError, match="is larger than"):
        pack(CONTENT, FILES)


def test_a_missing_an_extra_and_an_exchanged_file_are_refused(path: Path) -> None:
    text = manifest_of(FILES)
    less = {name: data for name, data in FILES.items() if name != "detector.onnx"}
    assert refusal(path, archive({MANIFEST: text, **less})) == (
        "lacks 'detector.onnx', which its manifest names"
    )
    assert refusal(path, archive({MANIFEST: text, **FILES, "extra.onnx": b"x"})) == (
        "holds 'extra.onnx', which its manifest does not name"
    )
    assert refusal(path, archive({MANIFEST: text, **FILES, "detector.onnx": b"neTwork"})) == (
        "'detector.onnx' is not the file that its manifest names"
    )
    assert refusal(path, archive(FILES)) == f"lacks {MANIFEST}"


def test_a_wrong_size_in_the_manifest_is_refused(path: Path) -> None:
    text = manifest_of(FILES)
    wrong = text.replace(b'"bytes": 7,', b'"bytes": 8,', 1)
    assert wrong != text
    said = refusal(path, archive({MANIFEST: wrong, **FILES}))
    assert said == "'detector.onnx' is not the file that its manifest names"


def test_a_manifest_names_a_file_that_is_not_there(path: Path) -> None:
    less = {name: data for name, data in FILES.items() if name != "golden/one.png"}
    said = refusal(path, archive({MANIFEST: manifest_of(less), **less}))
    assert said == "names 'golden/one.png' and does not hold it"
    with pytest.raises(BundleError, match=r"names 'golden/one\.png' and does not hold it"):
        pack(CONTENT, less)


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
