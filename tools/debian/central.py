"""The Debian package of the central system."""

from __future__ import annotations

import sys
from pathlib import Path

import edge
from tools.debian.package import DebianPackage

_ROOT = Path(__file__).parents[2]
_HOME = "/opt/outfeed-central"
_CONFIG = "/etc/outfeed-central/central.toml"
_UNITS = "/lib/systemd/system"
_SERVICE = "outfeed-central.service"

_START = f"""\
#!/bin/sh
# -P: modules of the folder in which the command is started are not found.
export PYTHONPATH={_HOME}/lib:{_HOME}/site
exec /usr/bin/python3 -s -P -m central "$@"
"""

_POSTINST = f"""\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    systemd-sysusers outfeed-central.conf
    systemd-tmpfiles --create outfeed-central.conf
    # Without it every start compiles again: the services cannot write here.
    /usr/bin/python3 -m compileall -q {_HOME}/lib {_HOME}/site || true
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        # An update restarts what runs. Nothing is enabled: the administrator chooses the units.
        if [ -n "$2" ]; then
            systemctl try-restart 'outfeed-central*.service' || true
        fi
    fi
fi
"""

_PRERM = f"""\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now {_SERVICE} outfeed-central-drill.timer outfeed-central-backup.timer \\
        outfeed-central-collect.service outfeed-central-web.service \\
        outfeed-central-pictures.service || true
fi
find {_HOME} -name __pycache__ -prune -exec rm -rf {{}} +
"""

_POSTRM = """\
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
# The database, the copies and the user stay, also after `apt purge`.
"""


def central_package(site: Path, architecture: str, version: str | None = None) -> DebianPackage:
    """Return the description of the package.

    Args:
        site: The folder of the installed libraries, for the Python that runs this.
        architecture: The architecture of the libraries, for instance amd64.
        version: A version of Debian's form. Default: that of the source.
    """
    own = _ROOT / "firmware-config" / "central"
    minor = sys.version_info.minor
    trees = {
        f"{_HOME}/lib/edge": _ROOT / "edge",
        f"{_HOME}/lib/central": _ROOT / "central",
        f"{_HOME}/site": site,
        f"{_HOME}/docs/how-to": _ROOT / "docs" / "how-to",
        f"{_HOME}/firmware-config/central": own,
        f"{_HOME}/firmware-config/central.toml": _ROOT / "firmware-config" / "central.toml",
        "/usr/lib/sysusers.d/outfeed-central.conf": own / "sysusers.d" / "outfeed-central.conf",
        "/usr/lib/tmpfiles.d/outfeed-central.conf": own / "tmpfiles.d" / "outfeed-central.conf",
        "/usr/share/doc/outfeed-central/copyright": _ROOT / "LICENSE",
        "/usr/share/doc/outfeed-central/THIRD_PARTY_NOTICES": _ROOT / "THIRD_PARTY_NOTICES",
        _CONFIG: own / "central.toml",
    }
    for unit in sorted((own / "systemd").iterdir()):
        trees[f"{_UNITS}/{unit.name}"] = unit
    return DebianPackage(
        name="outfeed-central",
        version=version or edge.__version__,
        architecture=architecture,
        depends=f"python3 (>= 3.{minor}), python3 (<< 3.{minor + 1}), systemd",
        summary="central system of Outfeed: collector, database and pages",
        description=(
            "It receives the events of all stations of a plant, keeps them in a database",
            "and shows them on web pages. The libraries are part of the package.",
        ),
        trees=trees,
        texts={
            f"{_HOME}/bin/outfeed-central": _START,
            "/usr/share/doc/outfeed-central/changelog.gz": (_ROOT / "CHANGELOG.md").read_text(),
        },
        links={"/usr/bin/outfeed-central": f"{_HOME}/bin/outfeed-central"},
        conffiles=(_CONFIG,),
        scripts={"postinst": _POSTINST, "prerm": _PRERM, "postrm": _POSTRM},
    )
