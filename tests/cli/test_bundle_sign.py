"""outfeed bundle keygen, sign and verify; --trust of the commands that drive no output."""

import logging
import re
import stat
from pathlib import Path

import pytest

from edge.bundle import read_bundle
from edge.bundle.guidance import GuidanceFile, GuidanceText
from tests.cli.conftest import Outfeed
from tests.support.bundles import small_bundle
from tests.support.keys import KEY_ID, OTHER_TRUST, TRUST


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    return small_bundle(tmp_path / "unsigned.outfeed", key=None)


def key_pair(outfeed: Outfeed, name: Path, *options: object) -> str:
    """Make it; the key's id."""
    result = outfeed("bundle", "keygen", "--out", name, *options)
    assert (result.status, result.err) == (0, "")
    found = re.fullmatch(rf"{name}\.key and {name}\.pub: key ([0-9a-f]{{16}})\n", result.out)
    assert found is not None, result.out
    return found[1]


def test_from_a_key_to_a_bundle_that_is_trusted(
    outfeed: Outfeed, unsigned: Path, tmp_path: Path
) -> None:
    key = key_pair(outfeed, tmp_path / "plant")
    assert stat.S_IMODE((tmp_path / "plant.key").stat().st_mode) == 0o600
    before = read_bundle(unsigned)
    signed = outfeed("bundle", "sign", unsigned, "--key", tmp_path / "plant.key")
    assert (signed.status, signed.err) == (0, "")
    assert signed.out == f"{unsigned}: {before.id}, signed by key {key}\n"
    verified = outfeed("bundle", "verify", unsigned, "--trust", tmp_path / "plant.pub")
    assert verified.status == 0
    assert verified.out.endswith(f"golden frames reproduced, signed by key {key}\n")
    text = (tmp_path / "plant.pub").read_text().strip()
    assert outfeed("bundle", "verify", unsigned, "--trust", text).status == 0


def test_keygen_refuses_a_key_that_is_there(outfeed: Outfeed, tmp_path: Path) -> None:
    key_pair(outfeed, tmp_path / "plant")
    before = (tmp_path / "plant.key").read_bytes()
    result = outfeed("bundle", "keygen", "--out", tmp_path / "plant")
    assert (result.status, result.out) == (1, "")
    assert result.line.endswith("plant.key: is there already; a key is never overwritten")
    assert (tmp_path / "plant.key").read_bytes() == before


def test_keygen_without_a_name(
    outfeed: Outfeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert outfeed("bundle", "keygen").out.startswith("outfeed.key and outfeed.pub: key ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outfeed.key", "outfeed.pub"]


def test_a_key_with_a_passphrase(outfeed: Outfeed, unsigned: Path, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("open sesame\n")
    wrong.write_text("sesame\n")
    key = key_pair(outfeed, tmp_path / "plant", "--passphrase-file", right)
    sign = ("bundle", "sign", unsigned, "--key", tmp_path / "plant.key")
    result = outfeed(*sign)
    assert (result.status, result.line) == (
        1,
        f"outfeed: {tmp_path}/plant.key: is encrypted; --passphrase-file is missing",
    )
    result = outfeed(*sign, "--passphrase-file", wrong)
    assert (result.status, "the passphrase does not open it" in result.line) == (1, True)
    assert read_bundle(unsigned).signer is None
    assert outfeed(*sign, "--passphrase-file", right).out.endswith(f"signed by key {key}\n")


def test_signing_again_replaces_the_signer(outfeed: Outfeed, bundle: Path, tmp_path: Path) -> None:
    key = key_pair(outfeed, tmp_path / "plant")
    out = tmp_path / "new" / "b.outfeed"
    before = bundle.read_bytes()
    result = outfeed("bundle", "sign", bundle, "--key", tmp_path / "plant.key", "--out", out)
    assert result.out == f"{out}: {read_bundle(bundle).id}, signed by key {key}\n"
    assert bundle.read_bytes() == before
    assert out.read_bytes()[:-256] == before[:-256]


def test_signing_for_other_stations(outfeed: Outfeed, bundle: Path, tmp_path: Path) -> None:
    key_pair(outfeed, tmp_path / "plant")
    out = tmp_path / "b.outfeed"
    sign = ("bundle", "sign", bundle, "--key", tmp_path / "plant.key", "--out", out)
    assert outfeed(*sign, "--compatible", "press", "--compatible", "press-2").status == 0
    assert read_bundle(out).manifest.compatible == ("press", "press-2")
    assert outfeed("bundle", "verify", out).status == 0
    result = outfeed(*sign, "--compatible", "a b")
    assert (result.status, "key 'compatible.0': string should match" in result.line) == (1, True)


def test_what_cannot_be_signed(outfeed: Outfeed, bundle: Path, tmp_path: Path) -> None:
    key_pair(outfeed, tmp_path / "plant")
    damaged = tmp_path / "damaged.outfeed"
    damaged.write_bytes(bundle.read_bytes()[:-1] + b"!")
    result = outfeed("bundle", "sign", damaged, "--key", tmp_path / "plant.key")
    assert (result.status, f"{damaged}: is damaged or altered" in result.line) == (1, True)
    assert damaged.read_bytes().endswith(b"!")
    for key, said in (
        ("plant.pub", "is a public key; expected the .key file beside it"),
        ("damaged.outfeed", "is no private key"),
        ("none.key", "cannot be read: No such file"),
    ):
        result = outfeed("bundle", "sign", bundle, "--key", tmp_path / key)
        assert (result.status, said in result.line) == (1, True)
    arguments = ("bundle", "sign", bundle, "--key", tmp_path / "plant.key", "--out", tmp_path)
    result = outfeed(*arguments)
    assert (result.status, "cannot be written" in result.line) == (1, True)


@pytest.mark.parametrize("command", ["verify", "inspect", "bench", "select"])
def test_trust_is_asked_for_by_option(
    outfeed: Outfeed, bundle: Path, unsigned: Path, pictures: Path, command: str
) -> None:
    def call(path: Path, *options: object) -> tuple[int, str, str]:
        before = {
            "verify": ("bundle", "verify", path),
            "inspect": ("inspect", pictures, "-b", path),
            "bench": ("bench", "-b", path, "--repeat", 1),
            "select": ("bench", "--select", "-b", path, "--repeat", 1),
        }[command]
        result = outfeed(*before, *options)
        return result.status, result.out, result.err

    assert call(bundle, "--trust", OTHER_TRUST, "--trust", TRUST)[0] == 0
    assert call(bundle)[0] == 0
    status, out, err = call(bundle, "--trust", OTHER_TRUST)
    assert (status, out) == (1, "")
    assert f"is signed by key {KEY_ID}; trusted here: " in err
    status, out, err = call(unsigned, "--trust", TRUST)
    assert (status, out) == (1, "")
    assert err == f"outfeed: {unsigned}: is unsigned; `outfeed bundle sign` signs it\n"
    status, out, err = call(unsigned)
    assert status == 0
    assert f"WARNING bundle_opened {read_bundle(unsigned).id}: unsigned\n" in err
    status, out, err = call(bundle, "--trust", "none.pub")
    assert (status, out, err) == (
        2,
        "",
        "outfeed: --trust none.pub: cannot be read: No such file or directory\n",
    )


def test_the_log_names_the_signer(
    outfeed: Outfeed, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        outfeed("--verbose", "bundle", "verify", bundle)
    assert f"bundle_opened {read_bundle(bundle).id}: signed by key {KEY_ID}" in caplog.messages


def test_a_key_that_others_may_read_signs_nothing(
    outfeed: Outfeed, unsigned: Path, tmp_path: Path
) -> None:
    key = tmp_path / "plant.key"
    assert outfeed("bundle", "keygen", "--out", tmp_path / "plant").status == 0
    key.chmod(0o644)
    result = outfeed("bundle", "sign", unsigned, "--key", key)
    assert result.status == 1
    assert result.line == f"outfeed: {key}: others may read it; expected a secret: chmod 600 {key}"
    key.chmod(0o640)
    assert outfeed("bundle", "sign", unsigned, "--key", key).status == 0


def test_guidance_of_the_central_system_is_signed_with_the_bundle(
    outfeed: Outfeed, unsigned: Path, tmp_path: Path
) -> None:
    key_pair(outfeed, tmp_path / "plant")
    kind = read_bundle(unsigned).manifest.kinds[0].name
    text = GuidanceText(kind=kind, version=2, text="Clean the roll.\nTell quality.")
    file = tmp_path / "guidance.json"
    file.write_text(GuidanceFile(utc="2026-11-30T12:00:00Z", kinds=(text,)).model_dump_json())
    words = ("bundle", "sign", unsigned, "--key", tmp_path / "plant.key", "--out")
    out = tmp_path / "signed.outfeed"
    signed = outfeed(*words, out, "--guidance", file)
    assert (signed.status, signed.err) == (0, "")
    assert outfeed("bundle", "verify", out, "--trust", tmp_path / "plant.pub").status == 0
    assert "Clean the roll. · Tell quality. (version 2)" in outfeed("bundle", "show", out).out
    file.write_text("{}")
    refused = outfeed(*words, tmp_path / "none.outfeed", "--guidance", file)
    assert refused.status == 1
    assert "is no guidance of Outfeed" in refused.line
    assert not (tmp_path / "none.outfeed").exists()
