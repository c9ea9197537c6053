"""The locks in requirements/: complete, hashed, of one mind, and what the lists of parts say."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

packaging = pytest.importorskip("packaging.requirements", reason="packaging is not installed")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "requirements"
EXTRAS = {
    "run": ("demo",),
    "central": ("demo", "central"),
    "station": ("gpio", "litert", "openvino"),
    "pi": ("pi", "litert"),
    "workstation": (
        *("demo", "train", "export", "litert", "openvino"),
        *("label", "central", "gpio", "dev", "docs"),
    ),
}
# Read beside the Python that runs the tests: the machines that a lock is for.
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
MACHINES = ("aarch64", "x86_64")
_NOT_LOCKED = {"torch"}


def entries(name: str) -> list[tuple[str, list[str]]]:
    """Each requirement of a lock as a line, and its hashes."""
    text = (FOLDER / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [
        (line.partition("--hash")[0].strip(), re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
        for line in lines
    ]


def environment(python: str, machine: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "platform_machine": machine,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def locked(name: str, where: dict[str, str]) -> dict[str, str]:
    """The versions that a machine gets. Fails where there are two of one library."""
    versions: dict[str, str] = {}
    for line, _ in entries(name):
        wanted = packaging.Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate(where):
            continue
        key = _plain(wanted.name)
        assert key not in versions, f"{name}: {key} twice for {where}"
        versions[key] = str(wanted.specifier).removeprefix("==")
    return versions


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for(extras: Iterable[str]) -> list[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return lines


@pytest.mark.parametrize("name", EXTRAS)
def test_every_line_is_one_version_with_its_hashes_and_names_no_place(name: str) -> None:
    for line, hashes in entries(name):
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.+!]+( ; .+)?", line), line
        assert hashes, line
    assert "://" not in (FOLDER / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", EXTRAS)
def test_what_pyproject_asks_for_is_there_on_every_machine(name: str) -> None:
    for python in PYTHONS:
        for machine in MACHINES:
            where = environment(python, machine)
            versions = locked(name, where)
            for line in (*asked_for(EXTRAS[name]), "setuptools>=77"):
                wanted = packaging.Requirement(line)
                if _plain(wanted.name) in _NOT_LOCKED:
                    assert _plain(wanted.name) not in versions
                    continue
                if wanted.marker is None or wanted.marker.evaluate(where):
                    version = versions.get(_plain(wanted.name))
                    assert version is not None, f"{name}: run `make lock`: {line} is not locked"
                    assert wanted.specifier.contains(version), f"{name}: {version} is not {line}"


@pytest.mark.parametrize("name", ["run", "central", "station", "pi"])
def test_every_unit_has_the_workstations_versions(name: str) -> None:
    for python in PYTHONS:
        where = environment(python, "aarch64")
        theirs, ours = locked("workstation", where), locked(name, where)
        assert {key: theirs[key] for key in ours.keys() & theirs.keys()} == {
            key: ours[key] for key in ours.keys() & theirs.keys()
        }
        assert {"numpy", "onnxruntime", "opencv-python-headless", "cryptography"} <= ours.keys()


@pytest.mark.parametrize("name", ["station", "pi"])
def test_the_list_of_parts_is_that_of_the_lock(name: str) -> None:
    bom = json.loads((FOLDER / f"{name}.cdx.json").read_text())
    assert bom["bomFormat"] == "CycloneDX"
    assert bom["metadata"]["component"]["name"] == "outfeed"
    parts = sorted((part["name"], part["version"]) for part in bom["components"])
    lines = [packaging.Requirement(line) for line, _ in entries(name)]
    assert parts == sorted((each.name, str(each.specifier)[2:]) for each in lines)
    hashes = {
        entry["content"]
        for part in bom["components"]
        for place in part["externalReferences"]
        for entry in place["hashes"]
    }
    assert hashes == {each for _, known in entries(name) for each in known}


def test_the_template_trusts_no_key_of_the_zoo() -> None:
    text = (ROOT / "firmware-config/station.toml").read_text()
    keys = re.search(r"^keys = (.*)$", text, re.MULTILINE)
    assert keys is not None
    assert "zoo" not in keys[1]
