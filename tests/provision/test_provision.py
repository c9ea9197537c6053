"""The files that `outfeed provision` makes, and the input that it refuses."""

from __future__ import annotations

import os
import shutil
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge.__main__ import main
from edge.config.station import load_config
from edge.provision import Authority, ProvisionError, StationKit, make_authority, make_station_kit
from edge.provision.folder import NewFile, write_folder
from tests.provision.conftest import Plant
from tests.support.keys import TRUST


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in sorted(folder.iterdir())}


def test_private_keys_are_their_owners_and_there_is_nothing_else(plant: Plant) -> None:
    assert modes(plant.authority) == {"ca.key": 0o600, "ca.pem": 0o644, "revoked.pem": 0o644}
    assert modes(plant.folder / "broker") == {
        "broker.key": 0o600,
        "broker.pem": 0o644,
        "ca.pem": 0o644,
        "revoked.pem": 0o644,
    }
    assert modes(plant.folder / "press-3") == {
        "ca.pem": 0o644,
        "identity.json": 0o644,
        "identity.sig": 0o644,
        "station.key": 0o600,
        "station.pem": 0o644,
        "station.toml": 0o644,
    }
    assert sorted(path.name for path in plant.folder.iterdir()) == [
        *("authority", "broker", "central", "press-3", "press-4")
    ]


def test_a_umask_of_nothing_opens_no_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_authority(tmp_path / "a")
    finally:
        os.umask(before)
    assert modes(tmp_path / "a") == {"ca.key": 0o600, "ca.pem": 0o644, "revoked.pem": 0o644}


def test_certificates_say_who_and_what_for_and_for_how_long(plant: Plant) -> None:
    own = certificate(plant.authority / "ca.pem")
    for path, name, usage in (
        ("broker/broker.pem", "127.0.0.1", ExtendedKeyUsageOID.SERVER_AUTH),
        ("central/central.pem", "central", ExtendedKeyUsageOID.CLIENT_AUTH),
        ("press-3/station.pem", "press-3", ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        made = certificate(plant.folder / path)
        made.verify_directly_issued_by(own)
        assert made.subject.rfc4514_string() == f"CN={name}"
        extended = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(extended) == [usage]  # a station's cannot pose as the broker's
        assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        lasts = made.not_valid_after_utc - datetime.now(timezone.utc)
        assert timedelta(days=3649) < lasts < timedelta(days=3650)
    names = certificate(plant.folder / "broker/broker.pem").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert [str(name.value) for name in names.value] == ["127.0.0.1", "localhost"]
    assert own.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_days_and_name_are_taken(tmp_path: Path) -> None:
    options = ("--out", str(tmp_path / "a"), "--days", "5", "--name", "Mill 2")
    assert main(["provision", "authority", *options]) == 0
    own = certificate(tmp_path / "a/ca.pem")
    assert own.subject.rfc4514_string() == "CN=Mill 2"
    assert own.not_valid_after_utc - datetime.now(timezone.utc) < timedelta(days=5)
    for words in (["broker", "b.example"], ["central"]):
        out = tmp_path / words[0]
        more = ["--authority", str(tmp_path / "a"), "--out", str(out), "--days", "3"]
        assert main(["provision", *words, *more]) == 0
        made = certificate(out / f"{words[0]}.pem")
        assert made.not_valid_after_utc - datetime.now(timezone.utc) < timedelta(days=3)


def test_the_station_toml_is_one_that_a_station_takes(plant: Plant, tmp_path: Path) -> None:
    bundle = tmp_path / "tiles 2.outfeed"
    bundle.write_bytes(b"not looked into")
    folder = plant.station(
        "full-1",
        *("--port", 8884, "--bundle", bundle, "--travel-ms", 650, "--budget-ms", 120.5),
        *("--days", 10),
    )
    config = load_config(folder / "station.toml")
    assert (config.id, config.bundle) == ("full-1", folder / "tiles 2.outfeed")
    assert config.bundle.read_bytes() == b"not looked into"
    assert config.trust.keys == (TRUST,)
    assert (config.line.travel_ms, config.line.budget_ms) == (650.0, 120.5)
    uplink = config.uplink
    assert (uplink.start, uplink.host, uplink.port) == (False, "127.0.0.1", 8884)
    assert (uplink.tls_ca, uplink.tls_cert) == (folder / "ca.pem", folder / "station.pem")
    assert uplink.tls_key == folder / "station.key"
    shutil.rmtree(folder)


def test_a_trusted_key_may_be_a_file(plant: Plant, tmp_path: Path) -> None:
    (tmp_path / "plant.pub").write_text(f"{TRUST}\n")
    kit = StationKit("s", "b", trust=(str(tmp_path / "plant.pub"),))
    make_station_kit(tmp_path / "s", Authority.read(plant.authority), kit)
    assert load_config(tmp_path / "s/station.toml").trust.keys == (TRUST,)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["station", "a/b", "--broker", "h", "--trust", TRUST], "station 'a/b': expected letters"),
        (["station", "#", "--broker", "h", "--trust", TRUST], "station '#': expected letters"),
        (["station", "central", "--broker", "h", "--trust", TRUST], "is the name of the central"),
        (["station", "s", "--broker", "h", "--trust", "ed25519:12"], "ed25519:12: is no public"),
        (["station", "s", "--broker", "h", "--trust", "absent.pub"], "absent.pub: cannot be read"),
        (
            ["station", "s", "--broker", "h", "--trust", TRUST, "--port", "0"],
            "station.toml: key 'uplink.port'",
        ),
        (
            ["station", "s", "--broker", "h", "--trust", TRUST, "--budget-ms", "900"],
            "station.toml: key 'line.budget_ms': must be below travel_ms",
        ),
        (
            ["station", "s", "--broker", "h\n", "--trust", TRUST],
            r"'h\n': expected printable characters",
        ),
        (
            ["station", "s", "--broker", "h", "--trust", TRUST, "--bundle", "absent"],
            "absent: cannot be read",
        ),
        (["station", "s", "--broker", "h", "--trust", TRUST, "--days", "0"], "0 days: expected 1"),
        (["broker", "under_score"], "host 'under_score': expected a name or an IP address"),
        (["broker", "a..b"], "host 'a..b': expected a name or an IP address"),
        (["broker", "h", "--days", "99999999"], "99999999 days: expected 1 to 36500"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    out = ["--authority", str(plant.authority), "--out", str(tmp_path / "new")]
    assert main(["provision", *words, *out]) == 1
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "days", "said"), [("", 1, "expected 1 to 64"), ("x" * 65, 1, "64"), ("x", -1, "days")]
)
def test_an_authority_that_cannot_be(tmp_path: Path, name: str, days: int, said: str) -> None:
    with pytest.raises(ProvisionError, match=said):
        make_authority(tmp_path / "a", name=name, days=days)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    before = (plant.authority / "ca.key").read_bytes()
    assert plant.call("authority", "--out", plant.authority) == 1
    assert "exists already; nothing is ever overwritten" in capsys.readouterr().err
    assert (plant.authority / "ca.key").read_bytes() == before


def test_a_folder_that_cannot_be_made_and_a_disk_that_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProvisionError, match="cannot be written: File exists"):
        make_authority(tmp_path / "file" / "a")
    with pytest.raises(ProvisionError, match="cannot be written: File name too long"):
        write_folder(tmp_path / "new", {"a": NewFile(b"1"), "x" * 300: NewFile(b"2")})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_authority_that_is_damaged_is_refused(plant: Plant, tmp_path: Path) -> None:
    other = make_authority(tmp_path / "other")
    assert other.key
    for name, data, said in (
        ("ca.pem", b"x", "ca.pem: is not a certificate"),
        ("ca.key", b"x", "ca.key: is not a private key; expected PEM"),
        ("ca.key", (tmp_path / "other/ca.key").read_bytes(), "does not belong to"),
        (
            "ca.key",
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            "is a key of another kind",
        ),
    ):
        folder = tmp_path / "damaged"
        shutil.copytree(plant.authority, folder)
        (folder / name).write_bytes(data)
        with pytest.raises(ProvisionError, match=said):
            Authority.read(folder)
        shutil.rmtree(folder)
    folder = tmp_path / "leaf"
    folder.mkdir()
    for name in ("pem", "key"):
        shutil.copy(plant.folder / f"press-3/station.{name}", folder / f"ca.{name}")
    with pytest.raises(ProvisionError, match="is not signed by itself"):
        Authority.read(folder)


def test_a_list_of_revoked_certificates(
    plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "authority"
    shutil.copytree(plant.authority, folder)
    station = plant.folder / "press-4/station.pem"

    def revoke(*paths: Path) -> tuple[int, str]:
        status = main(["provision", "revoke", *map(str, paths), "--authority", str(folder)])
        said = capsys.readouterr()
        return status, said.out + said.err

    def listed() -> list[int]:
        made = x509.load_pem_x509_crl((folder / "revoked.pem").read_bytes())
        assert made.is_signature_valid(certificate(folder / "ca.pem").public_key())  # type: ignore[arg-type]
        return [entry.serial_number for entry in made]

    assert listed() == []
    for _ in range(2):  # once more is once
        assert "number of certificates 1; copy it to the broker" in revoke(station)[1]
        assert listed() == [certificate(station).serial_number]
    central = plant.folder / "central/central.pem"
    assert "number of certificates 2;" in revoke(station, central)[1]
    other = tmp_path / "other"
    make_authority(other)
    before = (folder / "revoked.pem").read_bytes()
    for path, said in (
        (other / "ca.pem", "was signed by another authority"),
        (folder / "ca.pem", "is the certificate of the authority itself"),
        (folder / "ca.key", "is not a certificate"),
        (folder / "absent.pem", "cannot be read"),
    ):
        status, line = revoke(path)
        assert (status, said in line, line.count("\n")) == (1, True, 1)
    assert (folder / "revoked.pem").read_bytes() == before
    (folder / "revoked.pem").write_text("damaged")
    assert "is not a list of certificates" in revoke(station)[1]
