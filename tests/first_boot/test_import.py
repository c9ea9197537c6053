"""The import of an identity: what is accepted, what is refused, and what stays unchanged then."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from edge.__main__ import main
from edge.config.station import load_config
from edge.first_boot.folder import IdentityError
from edge.first_boot.installation import import_identity
from edge.provision import make_authority, make_central
from edge.provision.authority import private_pem
from edge.provision.folder import NewFile
from edge.provision.manifest import _CONTEXT, manifest_files
from tests.first_boot.conftest import Identities, contents, read


def test_an_identity_is_moved_with_owner_and_mode(source: Path, target: Path, made: Path) -> None:
    assert import_identity(read(source), target, group=12_345)
    assert contents(target) == contents(made)
    for each in target.iterdir():
        state = each.stat()
        secret = each.name == "station.key"
        assert oct(state.st_mode & 0o777) == oct(0o640 if secret else 0o644), each
        if os.geteuid() == 0 and secret:
            assert (state.st_uid, state.st_gid) == (0, 12_345)
    config = load_config(target / "station.toml")
    assert config.uplink.tls_key == target / "station.key"
    assert config.bundle == target / "tiles.outfeed"
    # A station that is not commissioned does not inspect.
    assert config.line.require_commission
    assert contents(source) == contents(made)  # the import erases nothing


def test_the_command_imports_once_and_erases_the_source(
    source: Path, target: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = shutil.copytree(source, source.with_name("again"))
    assert main(["import-identity", str(source), "--to", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: station press-3\n"
    assert not source.exists()
    # The same folder again, for instance by a second card: it is only erased.
    (keep / "notes.txt").write_text("of the technician")
    assert main(["import-identity", str(keep), "--to", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: station press-3, as before\n"
    assert contents(keep) == {"notes.txt": b"of the technician"}
    assert contents(target) == contents(made)


def test_the_blocks_of_the_key_are_overwritten(source: Path, target: Path) -> None:
    """Through a second name of the same file, because the first one is removed."""
    shadows = {}
    for each in ("station.key", "station.toml", "tiles.outfeed"):
        shadows[each] = source.parent / f"shadow-{each}"
        os.link(source / each, shadows[each])
    size = shadows["station.key"].stat().st_size
    bundle = shadows["tiles.outfeed"].read_bytes()
    import_identity(read(source), target)
    read(source).erase()
    assert shadows["station.key"].read_bytes() == bytes(size)
    assert set(shadows["station.toml"].read_bytes()) == {0}
    assert shadows["tiles.outfeed"].read_bytes() == bundle  # no secret, and large


def sign(folder: Path, identities: Identities) -> None:
    """Give the folder a manifest of its present files, signed by the plant's authority."""
    names = ("ca.pem", "station.key", "station.pem", "station.toml", "tiles.outfeed")
    files = {name: NewFile((folder / name).read_bytes()) for name in names}
    for name, each in manifest_files(identities.authority, "press-3", files).items():
        (folder / name).write_bytes(each.data)


def sign_text(folder: Path, identities: Identities, change: Callable[[dict], object]) -> None:
    """Change the manifest, and sign what results."""
    manifest = json.loads((folder / "identity.json").read_text())
    change(manifest)
    data = json.dumps(manifest).encode()
    (folder / "identity.json").write_bytes(data)
    signature = identities.authority.key.sign(_CONTEXT + data, ec.ECDSA(hashes.SHA256()))
    (folder / "identity.sig").write_bytes(signature)


def _damage(name: str, data: bytes) -> Callable[[Path, Identities], None]:
    return lambda folder, _: (folder / name).write_bytes(data) and None  # type: ignore[func-returns-value]


def _replaced(name: str, data: Callable[[Path, Identities], bytes]) -> Callable:
    """With another file of the same name, and a signed manifest that fits."""

    def change(folder: Path, identities: Identities) -> None:
        (folder / name).write_bytes(data(folder, identities))
        sign(folder, identities)

    return change


def _other_key(folder: Path, _: Identities) -> bytes:
    return private_pem(ec.generate_private_key(ec.SECP256R1()))


def _sealed_key(folder: Path, _: Identities) -> bytes:
    return private_pem(ec.generate_private_key(ec.SECP256R1()), b"secret")


def _central(folder: Path, identities: Identities) -> bytes:
    make_central(folder.parent / "central", identities.authority, name="historian")
    return (folder.parent / "central/historian.pem").read_bytes()


def _foreign(folder: Path, identities: Identities) -> bytes:
    other = make_authority(folder.parent / "other")
    return (
        Identities(identities.folder, other)
        .make(folder.parent / "foreign")
        .joinpath("station.pem")
        .read_bytes()
    )


def _text(old: str, new: str) -> Callable[[Path, Identities], bytes]:
    def change(folder: Path, _: Identities) -> bytes:
        text = (folder / "station.toml").read_text()
        assert old in text
        return text.replace(old, new).encode()

    return change


def _named(name: str) -> Callable[[Path, Identities], None]:
    """A manifest with a further file of this name."""

    def change(folder: Path, identities: Identities) -> None:
        def add(manifest: dict) -> None:
            manifest["files"][name] = manifest["files"].pop("tiles.outfeed")

        sign_text(folder, identities, add)

    return change


def _manifest(key: str, value: object) -> Callable[[Path, Identities], None]:
    return lambda folder, identities: sign_text(
        folder, identities, lambda manifest: manifest.update({key: value})
    )


def _link(folder: Path, _: Identities) -> None:
    (folder / "station.key").rename(folder.parent / "key")
    (folder / "station.key").symlink_to("../key")


def _pipe(folder: Path, _: Identities) -> None:
    (folder / "station.pem").unlink()
    os.mkfifo(folder / "station.pem")


def _folder(folder: Path, _: Identities) -> None:
    (folder / "station.toml").unlink()
    (folder / "station.toml").mkdir()


def _missing(name: str) -> Callable[[Path, Identities], None]:
    return lambda folder, _: (folder / name).unlink()


BAD = {
    "no manifest": (_missing("identity.json"), "identity.json: cannot be read: No such file"),
    "no signature": (_missing("identity.sig"), "expected a signature of ca.pem in identity.sig"),
    "no key": (_missing("station.key"), "station.key: cannot be read: No such file"),
    "a manifest that is cut": (_damage("identity.json", b'{"format": '), "identity.json: "),
    "a long manifest": (_damage("identity.json", bytes(20_000)), "has more than 16384 bytes"),
    "a long signature": (_damage("identity.sig", bytes(300)), "identity.sig: has more than 256"),
    "another signature": (_damage("identity.sig", bytes(70)), "expected a signature of ca.pem"),
    "a damaged file": (_damage("tiles.outfeed", bytes(51_200)), "differs from the hash"),
    "a short file": (_damage("station.pem", b"x"), "station.pem: expected 6"),
    "a long file": (_damage("station.toml", bytes(2000)), "in the manifest: more"),
    "a link": (_link, "station.key: cannot be read"),
    "a pipe": (_pipe, "station.pem: is not a regular file"),
    "a folder": (_folder, "station.toml: is not a regular file"),
    "another key": (_replaced("station.key", _other_key), "does not belong to station.pem"),
    "a sealed key": (_replaced("station.key", _sealed_key), "expected a key without passphrase"),
    "no key in it": (_replaced("station.key", lambda *_: b"x"), "is not a private key"),
    "no certificate": (_replaced("station.pem", lambda *_: b"x"), "is not a certificate"),
    "of central": (_replaced("station.pem", _central), "belongs to 'historian'"),
    "of another plant": (_replaced("station.pem", _foreign), "was not signed by ca.pem"),
    "no authority": (
        _replaced("ca.pem", lambda folder, _: (folder / "station.pem").read_bytes()),
        "ca.pem: is not the certificate of an authority",
    ),
    "another name": (
        _replaced("station.toml", _text('id = "press-3"', 'id = "press-4"')),
        "station.toml: key 'id': 'press-4': expected that of the certificate",
    ),
    "a wrong key in it": (
        _replaced("station.toml", _text("travel_ms", "travel")),
        "station.toml: unknown key 'line.travel'",
    ),
    "a key elsewhere": (
        _replaced("station.toml", _text('"station.key"', '"/etc/shadow"')),
        "station.toml: key 'uplink.tls_key': expected 'station.key'",
    ),
    "another bundle": (
        _replaced("station.toml", _text("tiles.outfeed", "other.outfeed")),
        "station.toml: key 'bundle': expected 'tiles.outfeed'",
    ),
    "another format": (_manifest("format", "outfeed.identity/2"), "key 'format'"),
    "a further key": (_manifest("run", "sh"), "unknown key 'run'"),
    "a name above it": (_named("../evil.outfeed"), "'../evil.outfeed': expected"),
    "an absolute name": (_named("/etc/passwd"), "'/etc/passwd': expected"),
    "a name of DOS": (_named("TILES~1.OUT"), "'TILES~1.OUT': expected"),
    "a hidden name": (_named(".tiles.outfeed"), "expected"),
    "a name with a line break": (_named("a\n.outfeed"), "expected"),
    "a long name": (_named("x" * 300 + ".outfeed"), "expected"),
    "a huge file": (
        lambda folder, identities: sign_text(
            folder,
            identities,
            lambda manifest: manifest["files"]["station.key"].update({"size": 10**9}),
        ),
        "station.key: 1000000000 bytes",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_identities_are_one_line_and_change_nothing(
    name: str, source: Path, target: Path, identities: Identities, capsys: pytest.CaptureFixture
) -> None:
    change, said = BAD[name]
    change(source, identities)
    before = sorted(each.name for each in source.iterdir())
    assert main(["import-identity", str(source), "--to", str(target)]) == 1
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
    assert list(target.iterdir()) == []
    assert sorted(each.name for each in source.iterdir()) == before


def test_an_expired_certificate_is_refused(
    source: Path, target: Path, identities: Identities, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import datetime, timedelta, timezone

    import edge.first_boot.check as check

    class Later(datetime):
        @classmethod
        def now(cls, tz: timezone | None = None) -> datetime:
            return datetime.now(tz) + timedelta(days=4000)

    monkeypatch.setattr(check, "datetime", Later)
    with pytest.raises(IdentityError, match=r"station\.pem: expired at 20"):
        import_identity(read(source), target)
    assert list(target.iterdir()) == []


def test_an_identity_is_replaced_only_by_one_that_names_it(
    source: Path, target: Path, identities: Identities, tmp_path: Path
) -> None:
    import_identity(read(source), target)
    before = contents(target)
    # Without the certificate, with that of another station, and by another authority.
    plain = identities.make(tmp_path / "plain")
    other = identities.make(tmp_path / "other", replaces=plain / "station.pem")
    strange = Identities(tmp_path, make_authority(tmp_path / "authority"))
    foreign = strange.make(tmp_path / "foreign")
    sign_text(
        foreign,
        strange,
        lambda manifest: manifest.update(
            replaces=json.loads(
                (
                    identities.make(tmp_path / "x", replaces=target / "station.pem")
                    / "identity.json"
                ).read_text()
            )["replaces"]
        ),
    )
    for folder, said in (
        (plain, "key 'replaces': this unit is press-3"),
        (other, "key 'replaces': this unit is press-3"),
        (foreign, "expected a signature of its authority"),
    ):
        with pytest.raises(IdentityError, match=said):
            import_identity(read(folder), target)
        assert contents(target) == before
    new = identities.make(tmp_path / "new", "press-9", replaces=target / "station.pem")
    assert import_identity(read(new), target)
    after = contents(target)
    assert after.pop("station.toml.before") == before["station.toml"]
    assert after == contents(new)
    # The folder before cannot return.
    with pytest.raises(IdentityError, match="this unit is press-9"):
        import_identity(read(source), target)


def test_a_unit_whose_certificate_cannot_be_read_keeps_it(
    source: Path, target: Path, identities: Identities, tmp_path: Path
) -> None:
    import_identity(read(source), target)
    (target / "station.pem").write_bytes(b"damaged")
    new = identities.make(tmp_path / "new", replaces=source / "station.pem")
    with pytest.raises(IdentityError, match="move the folder away"):
        import_identity(read(new), target)


def test_a_target_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="absent: cannot be written: No such file"):
        import_identity(read(source), tmp_path / "absent")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id = 'x'\n[line]\nrequire_commission = true\n", "key 'id': is written by provision"),
        ("[uplink]\n", "key 'uplink': is written by provision"),
        ("[line]\ntravel_ms = 5\n", "key 'line.require_commission' is missing"),
        ("[line\n", "is not TOML"),
        ("speed = 5\n", "key 'speed': expected sections, such as [camera]"),
        ("[line]\nrequire_commission = true\n", "station.toml: key 'camera' is missing"),
    ],
)
def test_wrong_settings_of_a_new_station(
    identities: Identities, tmp_path: Path, capsys: pytest.CaptureFixture, text: str, said: str
) -> None:
    (tmp_path / "line.toml").write_text(text)
    assert _provision(identities, tmp_path, "--settings", str(tmp_path / "line.toml")) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_settings_of_a_new_station(identities: Identities, tmp_path: Path, target: Path) -> None:
    text = (
        '[camera]\nkind = "files"\npath = "/srv/frames"\n'
        "[line]\ntravel_ms = 500\nbudget_ms = 90\nrequire_commission = false\n"
    )
    (tmp_path / "line.toml").write_text(text)
    assert _provision(identities, tmp_path, "--settings", str(tmp_path / "line.toml")) == 0
    import_identity(read(tmp_path / "new"), target)
    config = load_config(target / "station.toml")
    assert (config.line.travel_ms, config.line.require_commission) == (500, False)
    assert config.uplink.host == "h"


def test_the_replaced_certificate_must_be_one_of_the_authority(
    identities: Identities, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    make_authority(tmp_path / "other")
    assert _provision(identities, tmp_path, "--replaces", str(tmp_path / "other/ca.pem")) == 1
    assert "ca.pem: was signed by another authority" in capsys.readouterr().err


def _provision(identities: Identities, folder: Path, *more: str) -> int:
    known = ("--authority", str(identities.folder / "authority"), "--out", str(folder / "new"))
    trust = ("--broker", "h", "--trust", "ed25519:" + "01" * 32)
    return main(["provision", "station", "s-1", *known, *trust, *more])
