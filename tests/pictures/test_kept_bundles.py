"""The bundles by which kept pictures were judged stay for as long as they are the newest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.bundle import parse_bundle, read_bundle, write_bundle
from edge.errors import PictureError
from edge.pictures.kept_bundles import MAX_BUNDLES, bundle_path, keep_bundle
from tests.support.bundles import bundle_bytes


def test_the_very_file_is_kept_and_no_link_to_it(tmp_path: Path) -> None:
    source, data = tmp_path / "a.outfeed", bundle_bytes()
    write_bundle(source, data)
    bundle = read_bundle(source)
    keep_bundle(tmp_path / "kept", bundle, source)
    keep_bundle(tmp_path / "kept", bundle, source)
    source.write_bytes(b"overwritten in place")
    lain = bundle_path(tmp_path / "kept", bundle.digest)
    assert lain.read_bytes() == data
    assert list((tmp_path / "kept").iterdir()) == [lain]


def test_one_that_was_replaced_meanwhile_is_packed_again(tmp_path: Path) -> None:
    bundle = parse_bundle(bundle_bytes())
    for source in (tmp_path / "absent.outfeed", tmp_path / "other.outfeed"):
        write_bundle(tmp_path / "other.outfeed", bundle_bytes(version="2.0"))
        keep_bundle(tmp_path / source.stem, bundle, source)
        again = read_bundle(bundle_path(tmp_path / source.stem, bundle.digest))
        assert (again.digest, again.files) == (bundle.digest, bundle.files)
        assert (bundle.signer is None, again.signer) == (False, None)


def test_so_many_and_no_more(tmp_path: Path) -> None:
    digests = []
    for minor in range(MAX_BUNDLES + 2):
        bundle = parse_bundle(bundle_bytes(version=f"1.{minor}"))
        digests.append(bundle.digest)
        keep_bundle(tmp_path, bundle, tmp_path / "absent")
        os.utime(bundle_path(tmp_path, bundle.digest), (minor, minor))
    assert {path.stem for path in tmp_path.iterdir()} == set(digests[-MAX_BUNDLES:])


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"")
    with pytest.raises(PictureError, match="kept: "):
        keep_bundle(tmp_path / "kept", parse_bundle(bundle_bytes()), tmp_path / "absent")
