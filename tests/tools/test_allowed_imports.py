"""The contracts on the modules of edge that models and central may import (decision 3)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from grimp import ImportGraph, build_graph

from tools.allowed_imports import AllowedContract

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]


def configured(package: str = "models") -> dict[str, Any]:
    """Return the contract of pyproject.toml on a package."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    (contract,) = (
        one for one in contracts if one["type"] == "allowed" and one["source_modules"] == [package]
    )
    return dict(contract)


def check(graph: ImportGraph, options: dict[str, Any]) -> dict[str, list[str]]:
    contract = AllowedContract("models", {}, options)
    outcome = contract.check(graph, verbose=False)
    assert outcome.kept is not any(outcome.metadata.values())
    return dict(outcome.metadata)


@pytest.fixture(scope="module")
def graph() -> ImportGraph:
    return build_graph("edge", "models", "central", cache_dir=None)


@pytest.mark.parametrize("package", ["models", "central"])
def test_the_code_keeps_the_contract(graph: ImportGraph, package: str) -> None:
    assert check(graph, configured(package)) == {"refused": [], "unused": []}


@pytest.mark.parametrize("module", ["edge.station", "edge.journal.writer", "edge.engines", "edge"])
def test_an_import_that_is_not_in_the_list_is_refused(graph: ImportGraph, module: str) -> None:
    graph.add_import(importer="models.training.losses", imported=module)
    try:
        report = check(graph, configured())
    finally:
        graph.remove_import(importer="models.training.losses", imported=module)
    assert report == {"refused": [f"models.training.losses imports {module}"], "unused": []}


def test_a_module_below_an_entry_is_allowed_and_a_longer_name_is_not() -> None:
    graph = ImportGraph()
    graph.add_import(importer="models.a", imported="edge.chain.filter")
    graph.add_import(importer="models.a", imported="edge.chains")
    options = {"source_modules": ["models"], "package": "edge", "allowed_modules": ["edge.chain"]}
    assert check(graph, options)["refused"] == ["models.a imports edge.chains"]


def test_an_entry_that_nothing_imports_is_an_error() -> None:
    graph = ImportGraph()
    graph.add_import(importer="models.a", imported="edge.chain")
    options = {
        "source_modules": ["models"],
        "package": "edge",
        "allowed_modules": ["edge.chain", "edge.records"],
    }
    assert check(graph, options) == {"refused": [], "unused": ["edge.records"]}


def test_lint_imports_names_the_refused_import(tmp_path: Path) -> None:
    for name, text in {
        "shop/__init__.py": "",
        "shop/open.py": "",
        "shop/closed.py": "",
        "client/__init__.py": "import shop.open\nimport shop.closed\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / ".importlinter").write_text(
        "[importlinter]\n"
        "root_packages =\n    shop\n    client\n"
        "contract_types =\n    allowed: tools.allowed_imports.AllowedContract\n"
        "[importlinter:contract:1]\n"
        "name = client\ntype = allowed\nsource_modules = client\npackage = shop\n"
        "allowed_modules = shop.open\n",
        encoding="utf-8",
    )
    run = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "client imports shop.closed, which is not in allowed_modules" in run.stdout
