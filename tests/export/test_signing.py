"""`python -m export` signs with a key, explains how to sign without one, and reports errors."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import typer
from typer.testing import CliRunner

from edge.bundle import key_id, read_bundle
from edge.bundle.guidance import GuidanceFile, GuidanceText
from edge.bundle.keys import write_key_pair
from export.__main__ import main
from models.runs.commands import outfeed
from models.runs.run import Run


def export(run: Path, out: Path, *options: object) -> tuple[int, str, str]:
    """Return exit status, standard output and standard error of an export in float32.

    An int8 bundle is signed in the same way.
    """
    app = typer.Typer()
    app.command()(main)
    words = ["--run", run, "--out", out, "--precision", "float32", "--formats", "onnx", *options]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stdout, done.stderr


def test_with_a_key_the_bundle_is_signed(tiny_run: Path, tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("open sesame\n")
    private, _, public = write_key_pair(tmp_path / "plant", b"open sesame")
    out = tmp_path / "line.outfeed"
    options = ("--key", private, "--passphrase-file", passphrase, "--version", "1.4+trial")
    status, output, errors = export(tiny_run, out, *options)
    assert status == 0, errors
    assert output.endswith(f"signed by key {key_id(public)}\n")
    found = read_bundle(out, {public})
    assert found.manifest.version == "1.4+trial"


def test_without_a_key_the_output_shows_the_command_that_signs(
    tiny_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "line.outfeed"
    status, output, errors = export(tiny_run, out)
    assert status == 0, errors
    assert output.splitlines()[-1] == (
        "unsigned: a station refuses it. To sign it: "
        f"`{outfeed('bundle', 'sign', out, '--key', 'NAME.key')}`"
    )
    assert read_bundle(out).signer is None


def test_a_wrong_key_or_option_ends_the_command_before_any_work(
    tiny_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "line.outfeed"
    (tmp_path / "garbage.key").write_text("garbage")
    private, _, _ = write_key_pair(tmp_path / "plant", b"open sesame")
    for options, expected_status, line in (
        (("--key", tmp_path / "garbage.key"), 1, "garbage.key: is no private key"),
        (("--key", private), 1, "plant.key: is encrypted; --passphrase-file is missing"),
        (("--version", "v1"), 2, "version v1: expected dotted numbers"),
        (("--shape", "8x8"), 2, "shape 8x8: expected HEIGHTxWIDTH of 16 px or more"),
        (("--shape", "wide"), 2, "shape wide: expected HEIGHTxWIDTH in pixels"),
        (("--precision", "int4"), 2, "precision int4: expected int8, float32"),
        (("--formats", "onnx,pt"), 2, "formats onnx,pt: expected onnx, tflite, or both"),
        (("--with-float", "no"), 2, "--with-float no: expected auto, always, never"),
        (("--mask-iou", "1.2"), 2, "--mask-iou 1.2: expected a share from 0 to 1"),
        (("--max-false-rejects", "many"), 2, "'many' is no share"),
    ):
        status, output, errors = export(tiny_run, out, *options)
        assert (status, output, len(errors.splitlines())) == (expected_status, "", 1), errors
        assert line in errors
    assert not out.exists()


def test_a_folder_that_is_no_run_is_reported_on_standard_error(tmp_path: Path) -> None:
    status, output, errors = export(tmp_path, tmp_path / "line.outfeed")
    assert (status, output) == (1, "")
    assert errors.startswith(f"export: {tmp_path}")


def test_guidance_of_the_central_system_is_packed(tiny_run: Path, tmp_path: Path) -> None:
    kind = Run(tiny_run).record().kinds[0]
    file = tmp_path / "guidance.json"
    text = GuidanceText(kind=kind, version=4, text="Clean the roll.")
    file.write_text(GuidanceFile(utc="2026-11-30T12:00:00Z", kinds=(text,)).model_dump_json())
    out = tmp_path / "line.outfeed"
    status, _, errors = export(tiny_run, out, "--guidance", file)
    assert status == 0, errors
    packed = read_bundle(out).manifest.kinds[0]
    assert (packed.name, packed.guidance) == (kind, "Clean the roll. (version 4)")
