"""The folder with all files that a new station needs in /etc/outfeed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from edge.bundle.keys import parse_public_key, public_text, read_public_key
from edge.config.station import load_config
from edge.errors import BundleError, ConfigError
from edge.provision.authority import Authority
from edge.provision.folder import NewFile, ProvisionError, read_file, write_folder
from edge.provision.identity import make_station_identity
from edge.provision.manifest import fingerprint, manifest_files
from edge.provision.revocation import read_issued
from edge.validation_messages import one_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HEAD = """\
# Station {name}, written by `outfeed provision station`. firmware-config/station.toml explains
# every key. `outfeed run --config station.toml` names each wrong key.

id = "{name}"
bundle = "{bundle}"
state_dir = "/var/lib/outfeed"

[trust]
keys = [{keys}]

"""

_DEFAULT_SETTINGS = """\
[camera]
# Change this to the camera of the station.
kind = "files"
path = "/var/lib/outfeed/frames"

[line]
# Every reject depends on these values. `outfeed commission` measures both. The station inspects
# after it has given GO.
travel_ms = {travel_ms:.1f}
budget_ms = {budget_ms:.1f}
require_commission = true

"""

_TAIL = """\
[uplink]
# The uplink is a separate service: outfeed-uplink.service.
start = false
state_dir = "/var/lib/outfeed-uplink"
host = "{host}"
port = {port}
tls_ca = "ca.pem"
tls_cert = "station.pem"
tls_key = "station.key"
"""

# The keys that `outfeed provision station` writes itself.
_OWN_KEYS = ("id", "bundle", "state_dir", "trust", "uplink")


@dataclass(frozen=True, slots=True)
class StationKit:
    """The settings of a new station.

    name: its id. host, port: the broker. trust: public keys of permitted signers of bundles, as
    text or .pub files. bundle: a file that is copied beside station.toml. travel_ms, budget_ms: the
    keys of [line]. settings: a file with the other sections of station.toml, in place of the
    default [camera] and [line]. replaces: station.pem of the identity that this one replaces.
    """

    name: str
    host: str
    trust: tuple[str, ...]
    port: int = 8883
    bundle: Path | None = None
    travel_ms: float = 400.0
    budget_ms: float = 200.0
    settings: Path | None = None
    replaces: Path | None = None


def make_station_kit(
    folder: Path, authority: Authority, kit: StationKit, *, days: int = 3650
) -> None:
    """Write station.toml, station.pem, station.key (0600), ca.pem and the bundle to a new folder.

    identity.json lists them, and identity.sig has the signature of the authority for that list. A
    unit imports the folder at its first boot. The station.toml is checked, as a station reads it,
    before the folder is created. Raises ProvisionError and ConfigError.
    """
    identity = make_station_identity(authority, kit.name, days=days)
    files = identity.files("station", authority)
    bundle = "model.outfeed"
    if kit.bundle is not None:
        bundle = kit.bundle.name
        files[bundle] = NewFile(read_file(kit.bundle))
    fields = {
        "name": kit.name,
        "bundle": _quoted(bundle),
        "keys": ", ".join(f'"{_public(key)}"' for key in kit.trust),
        "host": _quoted(kit.host),
        "port": kit.port,
    }
    head, tail = _HEAD.format(**fields), _TAIL.format(**fields)
    files["station.toml"] = NewFile(f"{head}{_settings(kit)}{tail}".encode())
    replaces = ""
    if kit.replaces is not None:
        replaces = fingerprint(read_issued(kit.replaces, authority.certificate))
    write_folder(folder, {**files, **manifest_files(authority, kit.name, files, replaces)}, _loads)


def _settings(kit: StationKit) -> str:
    """Return the sections of the kit's settings file, or the default ones."""
    path = kit.settings
    if path is None:
        return _DEFAULT_SETTINGS.format(travel_ms=kit.travel_ms, budget_ms=kit.budget_ms)
    try:
        text = read_file(path).decode("utf-8-sig")
        found = tomllib.loads(text)
    except ValueError as error:  # UnicodeDecodeError, TOMLDecodeError
        raise ProvisionError(f"{path}: is not TOML: {one_line(error)}") from error
    for key in _OWN_KEYS:
        if key in found:
            raise ProvisionError(f"{path}: key '{key}': is written by provision; expected others")
    for key, value in found.items():
        if not isinstance(value, (dict, list)):
            raise ProvisionError(f"{path}: key '{key}': expected sections, such as [camera]")
    line = found.get("line")
    if not isinstance(line, dict) or "require_commission" not in line:
        raise ProvisionError(
            f"{path}: key 'line.require_commission' is missing; expected true, or false for a trial"
        )
    return f"{text.rstrip()}\n\n"


def _loads(part: Path) -> None:
    try:
        load_config(part / "station.toml")
    except ConfigError as error:
        line = str(error).removeprefix(f"{part}/")
        raise ProvisionError(line) from error


def _public(key: str) -> str:
    try:
        if key.startswith("ed25519:"):
            return public_text(parse_public_key(key, key))
        return public_text(read_public_key(Path(key)))
    except BundleError as error:
        raise ProvisionError(str(error)) from error


def _quoted(text: str) -> str:
    """Return the text, escaped for a basic string of TOML."""
    if not text.isprintable():
        raise ProvisionError(f"{text[:80]!r}: expected printable characters")
    return text.replace("\\", "\\\\").replace('"', '\\"')
