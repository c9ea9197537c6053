"""`make bench`: candidates, ratios, written files and errors. Speed itself is not tested."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxscript")
import torch
import typer
from typer.testing import CliRunner

import bench.peers.__main__ as command
from bench.peers.autoencoder import Deployment, PeerAutoencoder
from bench.peers.candidates import REFERENCE, AbsentError, PeerCandidate, outfeed, peers
from bench.peers.machine import this_machine
from bench.peers.measure import PeerResult, Row, measure, row, select
from bench.peers.report import not_timed, plot, write
from bench.peers.roofline import gmac, product
from bench.timing import Spread, Turns
from edge.bundle import parse_bundle
from edge.records import Verdict
from tests.support.bundles import HOLE, SEVERITY_SCALE, bundle_bytes, small_bundle
from tests.support.preloaded import run_module

ROOT = Path(__file__).resolve().parents[2]
PEAKS = {"float32": 50.0, "int8": 200.0}
BUNDLE = "dark-spots"


def call(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command in another process, because it binds itself to one core."""
    return run_module("bench.peers", *words)


def spread(median_ms: float) -> Spread:
    return Spread(10, median_ms, median_ms * 0.9, median_ms * 1.1, median_ms * 1.3)


def nothing() -> Callable[[], object]:
    return lambda: None


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder and the output of one run that sets every option."""
    folder = tmp_path_factory.mktemp("peers")
    path = small_bundle(folder / "b.outfeed")
    words: list[object] = ["--bundle", path, "--rounds", 2, "--repeat", 3, "--size", "300x200"]
    words += ["--core", max(os.sched_getaffinity(0)), "--only", f"{BUNDLE}, whole chain"]
    words += ["--only", "autoencoder", "--only", "paper, OpenVINO int8", "--out", folder / "out"]
    done = call(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out", done.stdout


@pytest.fixture(scope="module")
def document(ran: tuple[Path, str]) -> dict[str, Any]:
    by_name: dict[str, Any] = json.loads((ran[0] / "results.json").read_text(encoding="utf-8"))
    return by_name


def test_the_rows_are_the_selected_candidates_and_their_references(
    document: dict[str, Any],
) -> None:
    rows = {row["name"]: row for row in document["rows"]}
    chains = [name for name in rows if name.startswith(f"{BUNDLE}, whole chain")]
    assert f"{BUNDLE}, whole chain, ONNX Runtime, clean" in chains
    assert f"{BUNDLE}, whole chain, ONNX Runtime, with regions" in chains
    assert f"{BUNDLE}, whole chain, ONNX Runtime, 300×200" in chains
    networks = [name for name in rows if name.startswith(BUNDLE) and name not in chains]
    assert sorted(networks) == sorted(
        f"{BUNDLE}, {engine} int8" for engine in ("ONNX Runtime", "LiteRT", "OpenVINO")
    )
    assert [name for name in rows if not name.startswith(BUNDLE)] == [
        REFERENCE,
        "paper, OpenVINO int8",
        "autoencoder, PyTorch and SQLite",
    ]
    assert "has no tflite" in rows[f"{BUNDLE}, LiteRT int8"]["absent"]
    for name, each in rows.items():
        assert (each["spread"] is None) == (each["absent"] is not None), name


def test_every_candidate_ran_as_often_as_stated_on_the_given_core(
    document: dict[str, Any],
) -> None:
    assert document["turns"] == {
        "rounds": 2,
        "repeat": 3,
        "settle": 2,
        "warm_up": 2,
        "turn_ms": 300.0,
    }
    assert {row["spread"]["runs"] for row in document["rows"] if row["spread"]} == {6}
    machine = document["machine"]
    assert machine["core"] == max(os.sched_getaffinity(0))
    assert machine["cpu"]
    assert {"onnxruntime", "torch", "numpy"} <= machine["versions"].keys()
    assert document["command"].startswith("python -m bench.peers --bundle")


def test_the_figures_follow_from_the_medians(document: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in document["rows"] if row["spread"]}
    reference = rows[REFERENCE]["spread"]["median_ms"]
    for each in rows.values():
        spread = each["spread"]
        assert spread["p10_ms"] <= spread["median_ms"] <= spread["p90_ms"] <= spread["p99_ms"]
        assert each["times_faster"] == pytest.approx(reference / spread["median_ms"])
    paper = rows[REFERENCE]
    assert paper["gmac_s"] == pytest.approx(paper["mmac"] / reference)
    assert paper["share_of_peak"] == pytest.approx(
        paper["gmac_s"] / document["peaks_gmac_s"]["float32"]
    )
    chain = rows[f"{BUNDLE}, whole chain, ONNX Runtime, clean"]
    network = rows[f"{BUNDLE}, ONNX Runtime int8"]
    assert chain["outside_network"] == pytest.approx(
        1 - network["spread"]["median_ms"] / chain["spread"]["median_ms"]
    )
    larger = rows[f"{BUNDLE}, whole chain, ONNX Runtime, 300×200"]
    assert larger["ms_per_megapixel"] == pytest.approx(larger["spread"]["median_ms"] / 0.06)
    assert larger["against_block"] == pytest.approx(
        larger["ms_per_megapixel"] / chain["ms_per_megapixel"]
    )


def test_terminal_and_files_have_the_same_figures(ran: tuple[Path, str]) -> None:
    folder, output = ran
    names = {path.name for path in folder.iterdir()}
    assert names == {"table.md", "results.json", "plot.svg"}  # the database is gone
    text = (folder / "table.md").read_text(encoding="utf-8")
    line = next(each for each in text.splitlines() if each.startswith(f"| {REFERENCE} "))
    for cell in (each.strip() for each in line.strip("|").split("|")):
        assert cell in output
    assert "300×200" in output
    assert f"{BUNDLE}, LiteRT int8" in output.partition("Not timed here")[2]
    assert "Peak of the core" in text


def test_one_run_in_a_turn_is_counted_without_settling(tmp_path: Path) -> None:
    path = small_bundle(tmp_path / "b.outfeed")
    only = f"{BUNDLE}, ONNX Runtime int8"
    done = call(
        *("--bundle", path, "--rounds", 1, "--repeat", 1, "--only", only, "--out", tmp_path)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert document["turns"]["settle"] == 0
    assert [row["name"] for row in document["rows"]] == [REFERENCE, only]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--core", "4711"], 2, "core 4711: expected one of"),
        (["--only", "windows"], 2, "--only windows: expected a part of"),
        (["--size", "big"], 2, "--size big: expected WIDTHxHEIGHT"),
        (["--bundle", "gone.outfeed"], 1, "gone.outfeed"),
    ],
)
def test_an_error_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], status: int, message: str
) -> None:
    if "--core" not in words:  # a refused core is not bound
        monkeypatch.setattr(command, "bind", lambda core: 0)
    bundle = small_bundle(tmp_path / "b.outfeed")
    given = [] if "--bundle" in words else ["--bundle", str(bundle)]
    app = typer.Typer()
    app.command()(command.main)
    done = CliRunner().invoke(app, [*given, *words, "--out", str(tmp_path)])
    assert done.exit_code == status, done.output
    assert len(done.stdout.strip().splitlines()) == 1
    assert message in done.stdout


def test_all_candidates_are_listed_once(tmp_path: Path) -> None:
    names = [each.name for each in peers(tmp_path)]
    assert names[0] == REFERENCE
    for wanted in ("PyTorch eager", "torch.compile", "OpenVINO int8", "ONNX Runtime int8"):
        assert f"paper, {wanted}" in names
    assert "autoencoder, PyTorch and SQLite" in names
    bundle = parse_bundle(bundle_bytes())
    by_name = {each.name: each for each in outfeed(bundle, [(100, 200)])}
    assert f"{BUNDLE}, classifier, 8 blocks" in by_name
    assert by_name[f"{BUNDLE}, whole chain, ONNX Runtime, 200×100"].frame == (100, 200)
    assert len({each.name for each in [*peers(tmp_path), *by_name.values()]}) == len(names) + len(
        by_name
    )


def test_an_unknown_network_has_no_cost() -> None:
    bundle = parse_bundle(bundle_bytes())
    by_name = {each.name: each for each in outfeed(bundle, [])}
    assert by_name[f"{BUNDLE}, ONNX Runtime int8"].mmac is None
    with pytest.raises(AbsentError, match="has no float build, and dark is not known"):
        by_name[f"{BUNDLE}, ONNX Runtime float32"].prepare()


def test_a_known_network_without_a_float_build_is_timed_in_float() -> None:
    bundle = parse_bundle((ROOT / "models/zoo/textures-nano.outfeed").read_bytes())
    by_name = {each.name: each for each in outfeed(bundle, [])}
    candidate = by_name["textures-nano, ONNX Runtime float32"]
    assert candidate.mmac == pytest.approx(18.4, abs=0.5)
    severity = candidate.prepare()()
    assert isinstance(severity, np.ndarray)
    assert severity.shape == (1, 1, 128, 128)


def test_the_litert_build_of_a_bundle_is_a_candidate() -> None:
    pytest.importorskip("ai_edge_litert")
    from tests.engines.both import both_formats
    from tests.support import tflite

    networks = {"detector.tflite": tflite.dark_detector(256, 256, SEVERITY_SCALE)}
    bundle = parse_bundle(both_formats(size=(256, 256), networks=networks))
    by_name = {each.name: each for each in outfeed(bundle, [])}
    severity = by_name[f"{BUNDLE}, LiteRT int8"].prepare()()
    assert isinstance(severity, np.ndarray)
    assert severity.size == 128 * 128
    verdict = by_name[f"{BUNDLE}, whole chain, LiteRT, clean"].prepare()()
    assert isinstance(verdict, Verdict)
    assert verdict.reason == "clean"


def test_a_chain_without_a_suitable_frame_is_absent() -> None:
    bundle = parse_bundle(bundle_bytes(golden=False))
    by_name = {each.name: each for each in outfeed(bundle, [])}
    with pytest.raises(AbsentError, match=r"no golden frame of .* has a region at 256×256"):
        by_name[f"{BUNDLE}, whole chain, ONNX Runtime, with regions"].prepare()


def test_only_adds_the_references_of_a_row() -> None:
    candidates = [
        PeerCandidate(REFERENCE, nothing),
        PeerCandidate("net", nothing),
        PeerCandidate("chain", nothing, network="net"),
        PeerCandidate("frame", nothing, base="chain"),
        PeerCandidate("other", nothing),
    ]
    assert [each.name for each in select(candidates, ["frame"])] == [REFERENCE, "chain", "frame"]
    assert [each.name for each in select(candidates, ["chai"])] == [REFERENCE, "net", "chain"]
    assert select(candidates, []) == candidates
    with pytest.raises(ValueError, match="--only unknown: expected a part of one of these: paper"):
        select(candidates, ["chain", "unknown"])


def test_a_row_agrees_with_a_row_made_by_hand() -> None:
    spreads = {REFERENCE: spread(40.0), "net": spread(0.9), "chain": spread(1.0)}
    by_name = row(PeerCandidate("chain", nothing, 70.0, "int8", network="net"), spreads, {}, PEAKS)
    assert by_name.times_faster == pytest.approx(40.0)
    assert by_name.gmac_s == pytest.approx(70.0)
    assert by_name.share_of_peak == pytest.approx(0.35)
    assert by_name.outside_network == pytest.approx(0.1)
    spreads["frame"] = spread(8.0)
    larger = PeerCandidate("frame", nothing, frame=(512, 512), base="chain")
    by_name = row(larger, spreads, {}, PEAKS)
    assert by_name.against_block == pytest.approx(2.0)  # four times the area, eight times the time
    assert by_name.ms_per_megapixel == pytest.approx(8.0 / 0.262144)
    assert by_name.gmac_s is None
    assert by_name.share_of_peak is None
    gone = row(PeerCandidate("gone", nothing, 1.0), spreads, {"gone": "not here"}, PEAKS)
    assert gone == Row("gone", None, 1.0, (256, 256), absent="not here")


def test_a_candidate_that_cannot_run_does_not_stop_the_others() -> None:
    def prepare() -> Callable[[], object]:
        raise AbsentError("has no engine")

    candidates = [PeerCandidate(REFERENCE, nothing), PeerCandidate("gone", prepare)]
    result = measure(candidates, Turns(1, 2))
    assert [each.absent for each in result.rows] == [None, "has no engine"]
    assert not_timed(result) == "- gone: has no engine\n"
    assert set(result.peaks_gmac_s) == {"float32", "int8"}
    assert all(peak > 0 for peak in result.peaks_gmac_s.values())


def test_the_plot_has_a_bar_for_every_block_and_none_for_larger_frames(tmp_path: Path) -> None:
    rows = (
        Row(REFERENCE, "float32", 1.0, (256, 256), spread(40.0), times_faster=1.0),
        Row("a, whole chain, b", "int8", 1.0, (256, 256), spread(1.0), times_faster=40.0),
        Row("a, larger", "int8", 1.0, (512, 512), spread(4.0), against_block=1.0),
        Row("gone", "int8", 1.0, (256, 256), absent="not here"),
    )
    result = PeerResult(rows, {"float32": 50.0, "int8": 200.0})
    root = ElementTree.fromstring(plot(result))
    texts = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {REFERENCE, "a, whole chain, b"} <= set(texts)
    assert not {"a, larger", "gone"} & set(texts)
    (table, _, _) = write(tmp_path, this_machine(0), result, Turns(1), "command")
    lines = table.read_text(encoding="utf-8").splitlines()
    assert "| a, whole chain, b | 1 | 1.000 | 0.900 | 1.100 | 1.30 | 40.0 | – | – | – |" in lines
    assert "| a, larger | 4.000 | 3.600 | 4.400 | – | 1.00 |" in lines
    assert "- gone: not here" in lines


def test_the_autoencoder_keeps_the_shape_and_costs_what_its_layers_cost() -> None:
    network = PeerAutoencoder(3).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 224, 224)).shape == (2, 3, 224, 224)
        assert network.encoder(torch.zeros(1, 3, 224, 224)).shape == (1, 512, 7, 7)
    widths, cost = (3, 32, 64, 128, 256, 512), 0
    for layer in range(5):
        cost += (112 >> layer) ** 2 * 16 * widths[layer] * widths[layer + 1]
    assert network.mmac(3) == pytest.approx(2 * cost / 1e6)


def test_the_deployment_writes_a_row_per_frame(tmp_path: Path) -> None:
    database = tmp_path / "results.db"
    frame = np.dstack([HOLE] * 3)
    assert Deployment(database, channels=3, threshold=1e-6).inspect(frame)
    assert not Deployment(database, channels=3, threshold=1.0).inspect(frame)
    assert not Deployment(database, channels=1, threshold=1.0).inspect(HOLE)
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT is_defective, confidence FROM results ORDER BY id"
        ).fetchall()
    assert [row[0] for row in rows] == [1, 0, 0]
    assert rows[0][1] == 2.0
    assert 0 < rows[1][1] < 1


@pytest.mark.parametrize(("precision", "side"), [("float32", 256), ("int8", 384)])
def test_the_product_is_one_of_its_precision(precision: Any, side: int) -> None:
    assert gmac(precision) == pytest.approx(side**3 / 1e9)
    product(precision)()


def test_torch_compile_without_a_compiler_is_one_line(tmp_path: Path) -> None:
    code = (
        "from bench.peers.candidates import peers; from pathlib import Path; import sys\n"
        "one = next(each for each in peers(Path(sys.argv[1])) if 'compile' in each.name)\n"
        "try: one.prepare()\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "CXX": str(tmp_path / "c++"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)},
    )
    assert done.stdout.startswith("AbsentError torch.compile: "), done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 1
