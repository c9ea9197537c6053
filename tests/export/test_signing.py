"""make export signs where it is given a key, and says what to do where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import typer
from typer.testing import CliRunner

from edge.bundle import key_id, read_bundle
from edge.bundle.keys import write_key_pair
from export.__main__ import main
from models.runs.commands import outfeed


def export(run: Path, out: Path, *options: object) -> tuple[int, str]:
    """Status and what was said. In float: what is quantised is signed no other way."""
    app = typer.Typer()
    app.command()(main)
    words = ["--run", run, "--out", out, "--precision", "float32", "--formats", "onnx", *options]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stdout


def test_with_a_key_the_bundle_is_signed(tiny_run: Path, tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("open sesame\n")
    private, _, public = write_key_pair(tmp_path / "plant", b"open sesame")
    out = tmp_path / "line.outfeed"
    options = ("--key", private, "--passphrase-file", passphrase, "--version", "1.4+trial")
    status, said = export(tiny_run, out, *options)
    assert status == 0, said
    assert said.endswith(f"signed by key {key_id(public)}\n")
    found = read_bundle(out, {public})
    assert found.manifest.version == "1.4+trial"


def test_without_a_key_it_says_that_a_station_refuses_it(tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "line.outfeed"
    status, said = export(tiny_run, out)
    assert status == 0, said
    assert said.splitlines()[-1] == (
        "unsigned: a station refuses it until "
        f"`{outfeed('bundle', 'sign', out, '--key', 'NAME.key')}`"
    )
    assert read_bundle(out).signer is None


def test_a_key_or_version_that_is_none_is_said_before_anything_is_done(
    tiny_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "line.outfeed"
    (tmp_path / "garbage.key").write_text("garbage")
    private, _, _ = write_key_pair(tmp_path / "plant", b"open sesame")
    for options, line in (
        (("--key", tmp_path / "garbage.key"), "garbage.key: is no private key"),
        (("--key", private), "plant.key: is encrypted; --passphrase-file is missing"),
        (("--version", "v1"), "--version v1: expected dotted numbers"),
    ):
        status, said = export(tiny_run, out, *options)
        assert (status, len(said.splitlines())) == (1, 1), said
        assert line in said
    assert not out.exists()
