"""Everything a new station needs in /etc/outfeed, as one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.bundle.keys import parse_public_key, public_text, read_public_key
from edge.config.station import load_config
from edge.errors import BundleError, ConfigError
from edge.provision.authority import Authority
from edge.provision.folder import NewFile, ProvisionError, read_file, write_folder
from edge.provision.identity import make_station_identity

_TOML = """\
# Station {name}, made by `outfeed provision station`. firmware-config/station.toml explains every
# key. `outfeed run --config station.toml` refuses what is wrong and names it.

id = "{name}"
bundle = "{bundle}"
state_dir = "/var/lib/outfeed"

[trust]
keys = [{keys}]

[camera]
# What this unit looks through: change it.
kind = "files"
path = "/var/lib/outfeed/frames"

[line]
# Every reject depends on them: `outfeed commission` measures both. Once it says GO, add
# require_commission = true
travel_ms = {travel_ms:.1f}
budget_ms = {budget_ms:.1f}

[uplink]
# A service of its own: outfeed-uplink.service.
start = false
state_dir = "/var/lib/outfeed-uplink"
host = "{host}"
port = {port}
tls_ca = "ca.pem"
tls_cert = "station.pem"
tls_key = "station.key"
"""


@dataclass(frozen=True, slots=True)
class StationKit:
    """What a new station is to be. name: its id. host, port: the broker. trust: public keys whose
    bundles may run, text or .pub files. bundle: a file that is copied beside station.toml."""

    name: str
    host: str
    trust: tuple[str, ...]
    port: int = 8883
    bundle: Path | None = None
    travel_ms: float = 400.0
    budget_ms: float = 200.0


def make_station_kit(
    folder: Path, authority: Authority, kit: StationKit, *, days: int = 3650
) -> None:
    """station.toml, station.pem, station.key (0600), ca.pem and the bundle, in a new folder, which
    is copied to /etc/outfeed as it is. The station.toml is read as a station reads it before
    anything is there. Raises ProvisionError, ConfigError."""
    identity = make_station_identity(authority, kit.name, days=days)
    files = identity.files("station", authority)
    bundle = "model.outfeed"
    if kit.bundle is not None:
        bundle = kit.bundle.name
        files[bundle] = NewFile(read_file(kit.bundle))
    text = _TOML.format(
        name=kit.name,
        bundle=_quoted(bundle),
        keys=", ".join(f'"{_public(key)}"' for key in kit.trust),
        host=_quoted(kit.host),
        port=kit.port,
        travel_ms=kit.travel_ms,
        budget_ms=kit.budget_ms,
    )
    files["station.toml"] = NewFile(text.encode())
    write_folder(folder, files, _loads)


def _loads(part: Path) -> None:
    try:
        load_config(part / "station.toml")
    except ConfigError as error:
        said = str(error).removeprefix(f"{part}/")
        raise ProvisionError(said) from error


def _public(key: str) -> str:
    try:
        if key.startswith("ed25519:"):
            return public_text(parse_public_key(key, key))
        return public_text(read_public_key(Path(key)))
    except BundleError as error:
        raise ProvisionError(str(error)) from error


def _quoted(text: str) -> str:
    """Inside a TOML basic string."""
    if not text.isprintable():
        raise ProvisionError(f"{text[:80]!r}: expected printable characters")
    return text.replace("\\", "\\\\").replace('"', '\\"')
