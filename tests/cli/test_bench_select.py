"""outfeed bench --select, and the station that uses the stored choice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="pip install 'outfeed[litert]'")
pytest.importorskip("openvino", reason="pip install 'outfeed[openvino]'")

from edge.assembly.station import load_bundle
from edge.benchmark import selection as benchmark_select
from edge.benchmark.candidate import Answer, Request
from edge.benchmark.selection import fastest, select, wanted_engines
from edge.benchmark.trial import run_trial
from edge.bundle import Bundle, parse_bundle, write_bundle
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector
from edge.config.station import load_config
from edge.engines.registry import ENGINES, EngineChoice
from edge.engines.selection import EngineTiming, Selection, Times, processor, write_selection
from edge.errors import BundleError
from tests.cli.conftest import Outfeed
from tests.engines.both import both_formats
from tests.support import tflite

BOTH = both_formats()


@pytest.fixture
def both(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "both.outfeed", BOTH)
    return tmp_path / "both.outfeed"


@pytest.fixture
def station(configure: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A station.toml whose bundle has both formats. extra: more lines of it."""

    def write(extra: str = "") -> Path:
        path = configure(extra)
        write_bundle(tmp_path / "small.outfeed", BOTH)
        return path

    return write


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_select, "cores", lambda: 2)


@pytest.fixture
def run_on(monkeypatch: pytest.MonkeyPatch) -> list[EngineChoice]:
    """The engines on which stations loaded their bundle."""
    made: list[EngineChoice] = []

    def noted(bundle: Bundle, *, now_ns: Callable[[], int], engine: EngineChoice) -> Inspector:
        made.append(engine)
        return build_inspector(bundle, now_ns=now_ns, engine=engine)

    monkeypatch.setattr("edge.assembly.station.build_inspector", noted)
    return made


def kept(folder: Path) -> Selection:
    return Selection.model_validate_json((folder / "state/engine.json").read_bytes())


@pytest.mark.usefixtures("two_cores")
def test_every_engine_is_timed_on_one_core_and_all(outfeed: Outfeed, both: Path) -> None:
    result = outfeed("bench", "--select", "-b", both, "--repeat", 3, "--json")
    assert result.status == 0
    report = json.loads(result.out)
    tried = [(each["engine"], each["build"], each["threads"]) for each in report["measured"]]
    assert tried == [
        ("ort", "onnx-int8", 1),
        ("ort", "onnx-int8", 2),
        ("litert", "tflite-int8", 1),
        ("litert", "tflite-int8", 2),
        ("openvino", "onnx-int8", 1),
        ("openvino", "onnx-int8", 2),
    ]
    for each in report["measured"]:
        # Golden frames: one clean, two with a region, of which the classifier is part.
        assert (each["clean"]["frames"], each["regions"]["frames"]) == (3, 6)
        assert 0 < each["clean"]["p50_ms"] <= each["clean"]["p99_ms"]
        assert each["refused"] is None
    assert report["chosen"] in report["measured"]
    assert report["bundle"] == parse_bundle(BOTH).digest
    assert not (both.parent / "state").exists()  # a bundle alone has no station


@pytest.mark.usefixtures("two_cores")
def test_threads_precision_and_time(outfeed: Outfeed, both: Path) -> None:
    arguments = ("--threads", 1, "--precision", "int8", "--seconds", 0.02, "--json")
    report = json.loads(outfeed("bench", "--select", "-b", both, *arguments).out)
    assert [each["threads"] for each in report["measured"]] == [1, 1, 1]
    result = outfeed("bench", "--select", "-b", both, "--precision", "float32", "--repeat", 1)
    assert result.status == 1
    assert "refused: litert: the bundle has no tflite-float32 for it" in result.out
    assert result.line.endswith("no engine on this machine reproduces its golden frames")


@pytest.mark.usefixtures("two_cores")
def test_the_choice_is_kept_and_used(
    outfeed: Outfeed, station: Callable[..., Path], tmp_path: Path
) -> None:
    config = station()
    result = outfeed("bench", "--select", "-c", config, "--repeat", 3)
    assert result.status == 0
    found = kept(tmp_path)
    assert found.chosen is not None
    assert f"stored in {tmp_path / 'state/engine.json'}" in result.out.replace("\n", "")
    assert f"{found.chosen.build}, cores {found.chosen.threads}" in result.out
    ran = outfeed("run", "--config", config)
    assert (ran.status, "engine_default" in ran.err) == (0, False)
    assert f"engine_selected engine={found.chosen.engine} int8" in ran.err


@pytest.mark.parametrize("name", list(ENGINES))
def test_the_station_runs_on_what_was_chosen(
    station: Callable[..., Path], run_on: list[EngineChoice], name: str
) -> None:
    config = load_config(station())
    package = ENGINES[name].load(()).package
    chosen = EngineTiming(engine=name, package=package, precision="int8", threads=1)
    write_selection(
        config.paths.engine,
        Selection(
            bundle=parse_bundle(BOTH).digest,
            processor=processor(),
            cores=1,
            chosen=chosen,
            measured=(),
        ),
    )
    load_bundle(config, now_ns=lambda: 0).close()
    assert run_on == [EngineChoice(name, 1, "int8")]


def test_an_engine_that_does_not_reproduce_is_never_chosen(
    outfeed: Outfeed, tmp_path: Path
) -> None:
    """A classifier for LiteRT that calls every block background is fast and wrong."""
    network = tflite.Network()
    mean = network.reduce(network.input((5, 64, 64, 1)), "MEAN", [1, 2])
    none = network.dense(mean, np.full((3, 1), 1e-6), np.array([9.0, 0, 0]), (0.3, 0))
    wrong = both_formats(networks={"classifier.tflite": network.data(none)})
    write_bundle(tmp_path / "wrong.outfeed", wrong)
    arguments = ("-b", tmp_path / "wrong.outfeed", "--repeat", 1, "--threads", 1)
    result = outfeed("bench", "--select", *arguments)
    assert result.status == 0
    line = next(line for line in result.out.splitlines() if line.startswith("refused: "))
    assert "tflite-int8, cores 1" in line
    assert "does not reproduce its golden frame golden/hole.png: classify: " in line
    report = json.loads(outfeed("bench", "--select", *arguments, "--json").out)
    refused = [each for each in report["measured"] if each["refused"]]
    assert [(each["engine"], each["clean"]) for each in refused] == [("litert", None)]
    assert report["chosen"]["engine"] != "litert"


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, str], None]:
    """Return a function that replaces a library's package by code, for every child process."""
    folder = tmp_path / "pretended"
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))

    def plant(package: str, code: str) -> None:
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text(code)

    return plant


def test_an_engine_that_is_not_installed_is_named(
    outfeed: Outfeed, both: Path, pretend: Callable[[str, str], None]
) -> None:
    """The fastest engine is one of the other two; which one depends on the machine."""
    pretend("openvino", "raise ModuleNotFoundError('openvino')")
    arguments = ("--repeat", 1, "--threads", 1)
    result = outfeed("bench", "--select", "-b", both, *arguments)
    assert result.status == 0
    assert "refused: openvino: OpenVINO is not installed: pip install 'outfeed" in result.out
    fastest_line = next(line for line in result.out.splitlines() if line.startswith("fastest: "))
    libraries = ("onnxruntime ", "ai-edge-litert ", "tflite-runtime ")
    assert fastest_line.removeprefix("fastest: ").startswith(libraries)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "os.kill(os.getpid(), signal.SIGILL)",
            "ended by SIGILL: this processor lacks an instruction that the library uses",
        ),
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL: by the kernel, probably"),
        ("raise RuntimeError('no such board')", "with 1: RuntimeError: no such board"),
        ("time.sleep(600)", "hangs: no answer for 5 s, and was ended"),
        ("print('noise', flush=True); os.write(1, b'{}'); os._exit(0)", "ended with 0: "),
    ],
)
def test_an_engine_that_crashes_or_hangs_is_a_result(
    outfeed: Outfeed,
    station: Callable[..., Path],
    pretend: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    code: str,
    message: str,
) -> None:
    pretend("openvino", f"import os, signal, time\n{code}\n")

    def trial(request: Request, on_share: Callable[[float], None]) -> Answer:
        # The engines that work may need longer on a busy machine.
        hangs = request.engine == "openvino" and "sleep" in code
        return run_trial(request, on_share, silence_s=5.0 if hangs else 100.0)

    monkeypatch.setattr("edge.benchmark.selection.run_trial", trial)
    config = station("[engine]\nthreads = 1\n")
    result = outfeed("bench", "--select", "-c", config, "--repeat", 1)
    assert result.status == 0
    line = next(line for line in result.out.splitlines() if line.startswith("refused: openvino"))
    assert message in line
    assert "Traceback" not in result.out + result.err
    assert kept(tmp_path).chosen is not None


def test_a_bundle_that_is_replaced_meanwhile(outfeed: Outfeed, both: Path) -> None:
    wanted = wanted_engines(both, None, precision=None, threads=1)
    write_bundle(both, both_formats(version="9"))
    selection = select(wanted, seconds=0.1, repeat=1, progress=False)
    assert selection.chosen is None
    assert all(
        "was replaced during the measurement" in str(each.refused) for each in selection.measured
    )


@pytest.mark.usefixtures("two_cores")
def test_the_limits_of_the_configuration(
    outfeed: Outfeed, station: Callable[..., Path], tmp_path: Path
) -> None:
    extra = '[engine]\nkind = "litert"\nthreads = 1\nproviders = []\n'
    result = outfeed("bench", "--select", "-c", station(extra), "--repeat", 1)
    assert result.status == 0
    assert {each.threads for each in kept(tmp_path).measured} == {1}
    assert "not used: engine.kind is litert" in result.out


def test_providers_are_timed_beside_the_cpu(
    outfeed: Outfeed, station: Callable[..., Path], tmp_path: Path
) -> None:
    names = '["CUDAExecutionProvider", "CPUExecutionProvider"]'
    extra = f"[engine]\nthreads = 1\nproviders = {names}\n"
    assert outfeed("bench", "--select", "-c", station(extra), "--repeat", 1).status == 0
    ort = [each for each in kept(tmp_path).measured if each.engine == "ort"]
    assert [(each.providers, each.refused is None) for each in ort] == [
        ((), True),
        (("CUDAExecutionProvider", "CPUExecutionProvider"), False),
    ]
    assert "the installed ONNX Runtime has no CUDAExecutionProvider" in str(ort[1].refused)


def test_a_station_without_a_choice_logs_the_reason(
    outfeed: Outfeed, station: Callable[..., Path], tmp_path: Path
) -> None:
    config = station()
    ran = outfeed("run", "--config", config)
    lines = [line for line in ran.err.splitlines() if "engine_default" in line]
    assert len(lines) == 1
    assert lines[0].endswith("reason=no engine was measured yet (run outfeed bench --select)")
    (tmp_path / "state/engine.json").write_text("{")
    ran = outfeed("run", "--config", config)
    lines = [line for line in ran.err.splitlines() if "engine_default" in line]
    assert (ran.status, len(lines), "engine.json: is damaged" in lines[0]) == (0, 1, True)


def test_a_choice_that_no_longer_passes_its_golden_frames(
    outfeed: Outfeed, station: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The station runs on the default engine, and the log gives the reason."""
    config = station()
    assert outfeed("bench", "--select", "-c", config, "--repeat", 1).status == 0
    found = kept(tmp_path)
    litert = next(each for each in found.measured if each.engine == "litert")
    write_selection(tmp_path / "state/engine.json", found.model_copy(update={"chosen": litert}))

    class Refuses:
        def __init__(self, *_: Any, **__: Any) -> None:
            raise BundleError("LiteRT refuses the network: of this board")

    monkeypatch.setattr("edge.engines.litert.LiteRtEngine", Refuses)
    ran = outfeed("run", "--config", config)
    assert ran.status == 0
    assert "engine_default reason=LiteRT refuses the network: of this board" in ran.err


def test_an_engine_of_the_configuration(
    outfeed: Outfeed, station: Callable[..., Path], run_on: list[EngineChoice]
) -> None:
    for name in ENGINES:
        extra = f'[engine]\nkind = "{name}"\n'
        ran = outfeed("run", "--config", station(extra))
        assert (ran.status, "engine_" in ran.err) == (0, False)
        assert run_on.pop().name == name
    extra = '[engine]\nprecision = "float32"\nkind = "ort"\n'
    ran = outfeed("run", "--config", station(extra))
    assert (ran.status, "has no onnx-float32 for ort; it has onnx-int8" in ran.line) == (1, True)
    extra = '[engine]\nproviders = ["CUDAExecutionProvider"]\n'
    ran = outfeed("run", "--config", station(extra))
    assert ran.status == 78
    assert (
        "key 'engine': the installed ONNX Runtime has no CUDAExecutionProvider; it has" in ran.line
    )


def test_options_that_contradict_each_other(outfeed: Outfeed, both: Path, tmp_path: Path) -> None:
    config = tmp_path / "station.toml"
    for arguments, message in (
        (("--select",), "--select takes either --bundle or --config"),
        (("--select", "-b", both, "-c", config), "--select takes either --bundle or --config"),
        (("--select", "-b", both, "--engine", "ort"), "--select takes every engine"),
        (("--select", "-b", both, "--frames", tmp_path), "--select takes every engine"),
        (("--select", "-b", both, "--size", "64x64"), "--select takes every engine"),
        (("--select", "-c", config, "--threads", 2), "--config has precision, threads"),
        (("--select", "-c", config, "--precision", "int8"), "--config has precision"),
        (("-b", both, "-c", config), "--config needs --select"),
        ((), "bench needs --bundle, or --select with --config"),
        (("-b", both, "--engine", "abacus"), "--engine abacus: expected ort, litert, openvino"),
        (("-b", both, "--precision", "int4"), "--precision int4: expected int8 or float32"),
    ):
        result = outfeed("bench", *arguments)
        assert (result.status, message in result.line) == (2, True), result.err
    result = outfeed("bench", "--select", "-c", config)
    assert (result.status, "station.toml: cannot be read" in result.line) == (78, True)


def test_the_fastest() -> None:
    def timing(name: str, threads: int, clean: float, regions: float | None) -> EngineTiming:
        times = None if regions is None else Times(frames=1, p50_ms=regions, p99_ms=regions)
        return EngineTiming(
            engine=name,
            threads=threads,
            clean=Times(frames=1, p50_ms=clean, p99_ms=clean),
            regions=times,
        )

    slow, fast, both = (
        timing("ort", 1, 2.0, 4.0),
        timing("litert", 1, 1.0, 3.0),
        timing("ov", 2, 1, 2.9),
    )
    refused = EngineTiming(engine="x", refused="wrong")
    assert fastest([]) is None
    assert fastest([refused]) is None
    assert fastest([slow, refused, fast]) == fast
    # 1.95 and 2.0 ms are the same: one core is left to others.
    assert fastest([slow, both, fast]) == fast
    much = timing("ov", 2, 1.0, 2.0)
    assert fastest([slow, much, fast]) == much
    assert fastest([timing("a", 1, 1.0, None), timing("b", 1, 1.0, None)]) == timing(
        "a", 1, 1.0, None
    )
