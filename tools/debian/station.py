"""The Debian package of a station."""

from __future__ import annotations

from pathlib import Path

import edge
from tools.debian.package import DebianPackage

_ROOT = Path(__file__).parents[2]
_OWN = _ROOT / "firmware-config"
_SCRIPTS = Path(__file__).parent / "station_scripts"
_HOME = "/opt/outfeed"
_DOC = "/usr/share/doc/outfeed"
_CHRONY = "/etc/chrony/conf.d/outfeed.conf"

# `current` is a link to the version in use. Its real path is taken once, so that a process and its
# children never mix two versions. -P and -s: no module of the folder in which a command is started,
# or of the user, is found; children inherit it.
_START = f"""\
#!/bin/sh
home=$(readlink -f {_HOME}/current)
export PYTHONPATH="$home/lib:$home/site" PYTHONSAFEPATH=1 PYTHONNOUSERSITE=1
exec /usr/bin/python3 {{}}"$@"
"""


def station_package(site: Path, architecture: str, version: str | None = None) -> DebianPackage:
    """Return the description of the package.

    Args:
        site: The folder of the installed libraries, for Python 3.11.
        architecture: The architecture of the libraries, for instance arm64.
        version: A version of Debian's form. Default: that of the source.
    """
    trees = {
        f"{_HOME}/package/lib/edge": _ROOT / "edge",
        f"{_HOME}/package/site": site,
        "/usr/lib/sysusers.d/outfeed.conf": _OWN / "sysusers.d" / "outfeed.conf",
        "/usr/lib/tmpfiles.d/outfeed.conf": _OWN / "tmpfiles.d" / "outfeed.conf",
        "/lib/udev/rules.d": _OWN / "udev",
        "/usr/lib/sysctl.d/60-outfeed.conf": _OWN / "sysctl.d" / "60-outfeed.conf",
        _CHRONY: _OWN / "chrony" / "outfeed.conf",
        f"{_DOC}/how-to": _ROOT / "docs" / "how-to",
        f"{_DOC}/examples/station.toml": _OWN / "station.toml",
        f"{_DOC}/examples/mosquitto": _OWN / "mosquitto",
        f"{_DOC}/copyright": _ROOT / "LICENSE",
        f"{_DOC}/THIRD_PARTY_NOTICES": _ROOT / "THIRD_PARTY_NOTICES",
        f"{_DOC}/station.cdx.json": _ROOT / "requirements" / "station.cdx.json",
    }
    if architecture == "arm64":
        trees[f"{_DOC}/pi.cdx.json"] = _ROOT / "requirements" / "pi.cdx.json"
    for unit in sorted((_OWN / "systemd").glob("*.service")):
        trees[f"/lib/systemd/system/{unit.name}"] = unit
    for drop_in in sorted((_OWN / "systemd").glob("*.conf.d/*.conf")):
        trees[f"/usr/lib/systemd/{drop_in.parent.name}/{drop_in.name}"] = drop_in
    return DebianPackage(
        name="outfeed",
        version=version or edge.__version__,
        architecture=architecture,
        depends=(
            "python3 (>= 3.11), python3 (<< 3.12), libc6 (>= 2.36), libstdc++6, systemd, udev, "
            "init-system-helpers"
        ),
        # Raspberry Pi OS has libcamera, which the camera of a Raspberry Pi needs.
        recommends="chrony" + (", python3-libcamera, python3-prctl" * (architecture == "arm64")),
        summary="inspects every part on a production line and ejects defective ones",
        description=(
            "The station, its rejector and its uplink, with their units, users and rules.",
            "The libraries are part of the package. Nothing is started by the installation:",
            "a unit needs an identity and a commissioning first.",
        ),
        trees=trees,
        texts={
            f"{_HOME}/bin/outfeed": _START.format("-m edge "),
            f"{_HOME}/bin/python": _START.format(""),
            f"{_DOC}/changelog.gz": (_ROOT / "CHANGELOG.md").read_text(),
        },
        links={
            "/usr/bin/outfeed": f"{_HOME}/bin/outfeed",
            # The state of the unit above the login prompt (edge/first_boot/display.py).
            "/etc/issue.d/outfeed.issue": "/run/outfeed.issue",
        },
        conffiles=(_CHRONY,),
        scripts={each.name: each.read_text() for each in sorted(_SCRIPTS.iterdir())},
        bytecode=(f"{_HOME}/package/lib", f"{_HOME}/package/site"),
    )
