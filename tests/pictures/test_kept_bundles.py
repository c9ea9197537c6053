"""Tests of the copies of bundles beside the pictures: the newest are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.bundle import parse_bundle, read_bundle, write_bundle
from edge.errors import PictureError
from edge.pictures.kept_bundles import MAX_BUNDLES, bundle_path, keep_bundle
from tests.support.bundles import bundle_bytes


def test_the_file_is_copied_and_not_linked(tmp_path: Path) -> None:
    source, data = tmp_path / "a.outfeed", bundle_bytes()
    write_bundle(source, data)
    bundle = read_bundle(source)
    keep_bundle(tmp_path / "kept", bundle, source)
    keep_bundle(tmp_path / "kept", bundle, source)
    source.write_bytes(b"overwritten in place")
    copy = bundle_path(tmp_path / "kept", bundle.digest)
    assert copy.read_bytes() == data
    assert list((tmp_path / "kept").iterdir()) == [copy]


def test_a_bundle_whose_file_was_replaced_is_packed_again(tmp_path: Path) -> None:
    bundle = parse_bundle(bundle_bytes())
    for source in (tmp_path / "absent.outfeed", tmp_path / "other.outfeed"):
        write_bundle(tmp_path / "other.outfeed", bundle_bytes(version="2.0"))
        keep_bundle(tmp_path / source.stem, bundle, source)
        again = read_bundle(bundle_path(tmp_path / source.stem, bundle.digest))
        assert (again.digest, again.files) == (bundle.digest, bundle.files)
        assert (bundle.signer is None, again.signer) == (False, None)


def test_the_oldest_copies_are_removed(tmp_path: Path) -> None:
    digests = []
    for minor in range(MAX_BUNDLES + 2):
        bundle = parse_bundle(bundle_bytes(version=f"1.{minor}"))
        digests.append(bundle.digest)
        keep_bundle(tmp_path, bundle, tmp_path / "absent")
        os.utime(bundle_path(tmp_path, bundle.digest), (minor, minor))
    assert {path.stem for path in tmp_path.iterdir()} == set(digests[-MAX_BUNDLES:])


def test_a_folder_that_cannot_be_created_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"")
    with pytest.raises(PictureError, match="kept: "):
        keep_bundle(tmp_path / "kept", parse_bundle(bundle_bytes()), tmp_path / "absent")
