"""The engine selection of ``outfeed bench --select``: when it is used and when refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import pytest

from edge.bundle import Bundle, parse_bundle
from edge.config.engine import EngineConfig
from edge.engines import selection as module
from edge.engines.registry import EngineChoice
from edge.engines.selection import (
    EngineTiming,
    Selection,
    Times,
    default_engine,
    processor,
    selected_engine,
    write_selection,
)
from edge.errors import ConfigError
from tests.support.bundles import bundle_bytes

BUNDLE = parse_bundle(bundle_bytes())
AUTO = EngineConfig()
CUDA = ("CUDAExecutionProvider",)


def measured(**changes: Any) -> EngineTiming:
    import onnxruntime

    told = {
        "engine": "ort",
        "package": f"onnxruntime {onnxruntime.__version__}",
        "build": "onnx-int8",
        "precision": "int8",
        "threads": 2,
        "clean": Times(frames=10, p50_ms=1.0, p99_ms=2.0),
        "regions": Times(frames=5, p50_ms=3.0, p99_ms=5.0),
    }
    return EngineTiming(**{**told, **changes})


def selection(bundle: Bundle = BUNDLE, **changes: Any) -> Selection:
    best = measured(**changes)
    return Selection(
        bundle=bundle.digest, processor=processor(), cores=4, chosen=best, measured=(best,)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "engine.json"


def refusal(path: Path, config: EngineConfig = AUTO, bundle: Bundle = BUNDLE) -> str:
    with pytest.raises(ConfigError) as caught:
        selected_engine(path, config, bundle)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("wanted", ["auto", "require", "off"])
def test_large_frames_as_configured(path: Path, wanted: Literal["auto", "require", "off"]) -> None:
    write_selection(path, selection())
    config = EngineConfig(stripes=wanted, stripes_from_px=5_000_000)
    for choice in (selected_engine(path, config, BUNDLE), default_engine(config, BUNDLE)):
        assert choice.stripes_from_px == (None if wanted == "off" else 5_000_000)
        assert choice.stripes_required == (wanted == "require")


def test_what_was_chosen_is_used(path: Path) -> None:
    write_selection(path, selection())
    assert selected_engine(path, AUTO, BUNDLE) == EngineChoice("ort", 2, "int8")
    assert [file.name for file in path.parent.iterdir()] == ["engine.json"]
    write_selection(path, selection(threads=1))  # again, over the old one
    assert selected_engine(path, AUTO, BUNDLE).threads == 1


def test_the_fewer_threads_of_the_two(path: Path) -> None:
    write_selection(path, selection())
    for threads in (2, 8):
        config = EngineConfig(threads=threads)
        assert selected_engine(path, config, BUNDLE).threads == 2
    assert refusal(path, EngineConfig(threads=1)) == "2 threads were chosen, engine.threads is 1"


def test_nothing_was_measured(path: Path) -> None:
    assert refusal(path) == "no engine was measured yet"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "(file)"),
        (b"{", "(file)"),
        (b"\xff\xfe", "(file)"),
        (b"[]", "(file)"),
        (b"{}", "key 'bundle' is missing"),
    ],
)
def test_a_damaged_file(path: Path, text: bytes, message: str) -> None:
    path.parent.mkdir()
    path.write_bytes(text)
    line = refusal(path)
    assert line.startswith(f"{path}: is damaged: ")
    assert message in line


def test_a_file_cut_anywhere(path: Path) -> None:
    """As after a power loss on a file system that keeps no order."""
    write_selection(path, selection())
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 7):
        path.write_bytes(whole[:length])
        assert refusal(path).startswith(f"{path}: is damaged: ")


def test_a_file_that_is_a_folder(path: Path) -> None:
    path.mkdir(parents=True)
    assert refusal(path) == f"{path}: cannot be read: Is a directory"


@pytest.mark.parametrize("changes", [{"engine": "abacus"}, {"threads": None}])
def test_a_choice_that_is_none(path: Path, changes: dict[str, Any]) -> None:
    write_selection(path, selection(**changes))
    assert refusal(path) == f"{path}: is damaged: it chooses no engine"
    nothing = selection().model_copy(update={"chosen": None})
    write_selection(path, nothing)
    assert refusal(path) == f"{path}: is damaged: it chooses no engine"


def test_another_bundle(path: Path) -> None:
    write_selection(path, selection())
    other = parse_bundle(bundle_bytes(version="1.1"))
    message = f"{BUNDLE.digest[:12]} was measured, this is {other.id}"
    assert refusal(path, bundle=other) == message


def test_another_machine(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_selection(path, selection())
    here = processor()
    monkeypatch.setattr(module, "processor", lambda: "Abacus 3000")
    assert refusal(path) == f"it was measured on {here}, this is Abacus 3000"


def test_another_version_of_the_library(path: Path) -> None:
    write_selection(path, selection(package="onnxruntime 0.9"))
    assert refusal(path).startswith("onnxruntime 0.9 was measured, this is onnxruntime ")


def test_another_precision(path: Path) -> None:
    write_selection(path, selection())
    assert selected_engine(path, EngineConfig(precision="int8"), BUNDLE).precision == "int8"
    message = "int8 was chosen, engine.precision is float32"
    assert refusal(path, EngineConfig(precision="float32")) == message


def test_other_providers(path: Path) -> None:
    """The CPU may have been faster than what the configuration names; nothing else may be used."""
    write_selection(path, selection(providers=CUDA))
    assert refusal(path) == "CUDAExecutionProvider were chosen, not engine.providers"
    write_selection(path, selection())
    assert selected_engine(path, EngineConfig(providers=CUDA), BUNDLE).providers == ()


def test_an_engine_that_was_taken_away(path: Path) -> None:
    write_selection(path, selection(providers=CUDA))
    message = refusal(path, EngineConfig(providers=CUDA))
    assert message.startswith("the installed ONNX Runtime has no CUDAExecutionProvider")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o500)
    with pytest.raises(ConfigError, match=r"key 'state_dir': .*: Permission denied"):
        write_selection(path, selection())


def test_a_file_in_the_folders_place(path: Path) -> None:
    path.parent.write_text("a file")
    with pytest.raises(ConfigError, match=r"key 'state_dir': .*engine\.json: File exists"):
        write_selection(path, selection())


def test_what_is_compared() -> None:
    assert measured().cost_ms == 2.0
    assert measured(regions=None).cost_ms == 1.0
    assert measured(clean=None).cost_ms == 3.0


def test_this_machine_has_a_name() -> None:
    assert processor().strip() == processor() != ""


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"/proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0"}, "Raspberry Pi 5 Model B"),
        ({"/proc/cpuinfo": "processor\t: 0\nmodel name\t: Xeon: 2\nflags\t: a b\n"}, "Xeon: 2"),
        ({"/proc/cpuinfo": "CPU part\t: 0xd0b\n"}, "0xd0b"),
        ({}, os.uname().machine),
    ],
)
def test_the_names_of_machines(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, str], message: str
) -> None:
    def read_text(path: Path, **_: str) -> str:
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(Path, "read_text", read_text)
    assert processor().startswith(message)


def test_the_default_engine() -> None:
    assert default_engine(AUTO, BUNDLE) == EngineChoice("ort", 1)
    config = EngineConfig(kind="ort", threads=3, providers=("CPUExecutionProvider",))
    wanted = EngineChoice("ort", 3, None, ("CPUExecutionProvider",))
    assert default_engine(config, BUNDLE) == wanted
    with pytest.raises(
        ConfigError, match=r"^key 'engine': the installed ONNX Runtime has no CUDAEx"
    ):
        default_engine(EngineConfig(providers=CUDA), BUNDLE)


def test_the_default_engine_reads_the_bundle() -> None:
    """A bundle for LiteRT alone runs there, unasked."""
    pytest.importorskip("ai_edge_litert", reason="pip install 'outfeed[litert]'")
    from tests.engines.both import both_formats

    assert default_engine(AUTO, parse_bundle(both_formats())).name == "ort"
    alone = parse_bundle(both_formats(onnx=False))
    assert default_engine(AUTO, alone) == EngineChoice("litert", 1)
    assert default_engine(EngineConfig(kind="ort"), alone).name == "ort"  # refused when it loads
