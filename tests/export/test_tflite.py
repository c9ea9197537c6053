"""Networks as TFLite: made by the real tool chain, run by LiteRT, held against PyTorch.

One file, because all its networks are converted in two processes.
"""

from __future__ import annotations

import copy
import platform
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn

from export.errors import ExportError
from export.tflite import TfliteFile, TfliteJob, convert, tflite_python
from export.tflite.program import export_program, layer_paths, shuffled
from export.tflite.toolchain import PYTHON_VARIABLE, WORKER
from models.networks import BlockClassifier, DetectorNetwork, build_detector, normalise

pytestmark = pytest.mark.timeout(600)  # ten seconds a network, on an idle machine

Frames = list[npt.NDArray[np.uint8]]


@pytest.fixture(scope="module")
def python() -> Path:
    if sys.platform == "linux" and platform.machine() != "x86_64":
        pytest.skip(f"the TFLite tool chain has no wheels for {platform.machine()}")
    try:
        return tflite_python()
    except ExportError as error:
        pytest.skip(str(error))


class Small(DetectorNetwork):
    """A stem, per-channel kernels of which eight weights all round the same way beside a large one,
    and two steps to 2×2 sub-cells. One channel has next to no weights and lives by its bias."""

    stride_px, multiple_px, shuffle = 2, 4, 2

    def __init__(self, channels: int = 1, *, logistic: bool = True) -> None:
        super().__init__()
        self.logistic = logistic
        self.stem = nn.Conv2d(channels, 8, 4, 4)
        self.spread = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.mix = nn.Conv2d(8, 16, 1)
        self.head = nn.Conv2d(16, 4, 1)
        with torch.no_grad():
            assert self.stem.bias is not None
            assert self.mix.bias is not None
            self.stem.weight *= 0.5
            self.stem.bias += torch.linspace(1.0, 3.0, 8)
            self.spread.weight.fill_(0.3 / 127)
            self.spread.weight[:, :, 1, 1] = 1.0
            self.mix.weight.abs_()  # that shifts add up
            self.mix.weight[3], self.mix.bias[3] = 1e-12, 2.0
            self.head.weight *= 0.6

    def raw(self, x: Tensor) -> Tensor:
        x = torch.relu(self.mix(torch.relu(self.spread(torch.relu(self.stem(x))))))
        return self.head(x)  # type: ignore[no-any-return]


class BothSenses(Small):
    """As Small, with two outputs of each channel: the converter loses the names of such layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(16, 32, 1, groups=16, bias=False) for _ in range(2))
        self.head = nn.Conv2d(64, 4, 1)
        with torch.no_grad():
            for layer in (self.first, self.second):
                layer.weight[0::2], layer.weight[1::2] = 1.0, -1.0

    def raw(self, x: Tensor) -> Tensor:
        x = self.mix(torch.relu(self.spread(torch.relu(self.stem(x))))) - 2.0
        both = [torch.relu(layer(x + i)) for i, layer in enumerate((self.first, self.second))]
        return self.head(torch.cat(both, 1))  # type: ignore[no-any-return]


def textures(count: int, side: int, channels: int, seed: int) -> Frames:
    """Noise of several sizes: flat places, edges and both ends of the range."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        values = np.full((side, side, channels), 128.0)
        for step in (2, 4, 8, 16):
            noise = rng.normal(0, 25, (side // step, side // step, channels))
            values += noise.repeat(step, 0).repeat(step, 1)
        frame = np.clip(values, 0, 255).astype(np.uint8)
        frames.append(frame[..., 0] if channels == 1 else frame)
    return frames


def settled(network: Any, frames: Frames) -> Any:
    """The network with batch statistics of the frames and an output of a useful size."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, 0.0, 0.1)
            module.momentum = None
    with torch.no_grad():
        network(pixels_of(frames))
        network.eval()
        classifies = isinstance(network, BlockClassifier)
        last = network.logits if classifies else network.head
        raw = (network if classifies else network.raw)(pixels_of(frames))
        last.weight *= 2.0 / float(raw.std())
        last.bias.zero_()
    return network


def pixels_of(frames: Frames) -> Tensor:
    stack = np.stack([f[..., None] if f.ndim == 2 else f for f in frames])
    return normalise(torch.from_numpy(stack).permute(0, 3, 1, 2))


def by_torch(network: nn.Module, frames: Frames) -> npt.NDArray[np.float32]:
    """Severity n×h×w, or logits n×K."""
    with torch.no_grad():
        values = network.eval()(pixels_of(frames)).numpy()
    return np.asarray(values[:, 0] if values.ndim == 4 else values)


def interpreter(file: TfliteFile) -> Interpreter:
    made = Interpreter(model_content=file.data, num_threads=1)
    made.allocate_tensors()
    return made


def by_litert(file: TfliteFile, frames: Frames) -> npt.NDArray[np.float32]:
    """As by_torch, of uint8 as the engine hands it to the chain."""
    made = interpreter(file)
    source, found = made.get_input_details()[0], made.get_output_details()[0]
    batch, outputs = source["shape"][0], []
    for start in range(0, len(frames), batch):
        some = np.stack(frames[start : start + batch]).reshape(source["shape"])
        made.set_tensor(source["index"], (some.astype(np.int16) - 128).astype(np.int8))
        made.invoke()
        values = made.get_tensor(found["index"])
        if values.dtype == np.int8:
            values = (values.astype(np.int16) + 128).astype(np.uint8)
        outputs.append((values.astype(np.float32) - file.zero_point) * np.float32(file.scale))
    whole = np.concatenate(outputs)
    return np.asarray(whole[..., 0] if whole.ndim == 4 else whole)


def error(file: TfliteFile, network: nn.Module, frames: Frames) -> float:
    """Root of the mean squared difference from torch."""
    return float(np.sqrt(np.square(by_litert(file, frames) - by_torch(network, frames)).mean()))


@dataclass(frozen=True)
class Built:
    networks: dict[str, nn.Module]
    unseen: dict[str, Frames]
    jobs: dict[str, TfliteJob]
    files: dict[str, TfliteFile]


@pytest.fixture(scope="module")
def built(python: Path) -> Built:
    """One process for all: a lean detector of one channel, a classifier of three."""
    grey, coloured = textures(12, 64, 1, seed=1), textures(15, 64, 3, seed=2)
    torch.manual_seed(0)
    lean = settled(build_detector("lean", 1, 2), grey)
    classifier = settled(BlockClassifier(3, kinds=4), coloured)
    detect = TfliteJob(lean, 1, 64, 64, calibration=grey)
    jobs = {
        "detector": detect,
        "float": replace(detect, precision="float32", calibration=()),
        "kept": replace(detect, keep_float=("backbone.stages.0", "head")),
        "classifier": TfliteJob(classifier, 3, 64, 64, batch=5, calibration=coloured),
    }
    networks = {name: job.network for name, job in jobs.items()}
    unseen = {name: textures(4, 64, 1, seed=3) for name in jobs}
    unseen["classifier"] = textures(10, 64, 3, seed=4)
    return Built(networks, unseen, jobs, convert(jobs))


@pytest.fixture(scope="module")
def small(python: Path) -> Built:
    torch.manual_seed(0)
    frames, coloured = textures(10, 32, 1, seed=5), textures(10, 32, 3, seed=6)
    networks = {"plain": Small(), "coloured": Small(3), "linear": Small(logistic=False)}
    networks["senses"] = settled(BothSenses(), frames)
    with torch.no_grad():
        networks["linear"].head.weight *= 8.0
        networks["linear"].head.bias += 4.0
    outlier = copy.deepcopy(networks["plain"])
    with torch.no_grad():
        # One channel of the stem's output is a thousand times the others, and taken back after it.
        outlier.stem.weight[0] *= 1000
        outlier.stem.bias[0] *= 1000
        outlier.spread.weight[0] /= 1000
    networks["outlier"] = outlier
    job = {name: TfliteJob(n, 1, 32, 32, calibration=frames) for name, n in networks.items()}
    jobs = {
        **job,
        "coloured": replace(job["coloured"], channels=3, calibration=coloured),
        "uncorrected": replace(job["plain"], corrected=False),
        "percentile": replace(job["outlier"], percentile=90.0),
        "relieved": replace(job["outlier"], keep_float=("stem", "spread")),
        "linear-float": replace(job["linear"], precision="float32", calibration=()),
    }
    networks = {name: job.network for name, job in jobs.items()}
    unseen = {name: textures(6, 32, job.channels, seed=7) for name, job in jobs.items()}
    return Built(networks, unseen, jobs, convert(jobs))


@pytest.mark.parametrize(
    ("name", "shape", "output"),
    [
        ("detector", [1, 64, 64, 1], [1, 32, 32, 1]),
        ("kept", [1, 64, 64, 1], [1, 32, 32, 1]),
        ("classifier", [5, 64, 64, 3], [5, 5]),
        ("float", [1, 64, 64, 1], [1, 32, 32, 1]),
    ],
)
def test_pixels_go_in_as_the_camera_gives_them(
    built: Built, name: str, shape: list[int], output: list[int]
) -> None:
    made = interpreter(built.files[name])
    source, found = made.get_input_details()[0], made.get_output_details()[0]
    assert (source["dtype"], source["shape"].tolist()) == (np.int8, shape)
    assert source["quantization"] == (1 / 64, 0), "uint8 less 128 is the normalised pixel"
    assert found["shape"].tolist() == output
    assert found["dtype"] == (np.float32 if name == "float" else np.int8)
    if name in ("detector", "kept"):
        assert found["quantization"] == (1 / 256, -128)
        assert (built.files[name].scale, built.files[name].zero_point) == (12 / 256, 0)
    elif name == "float":
        assert (built.files[name].scale, built.files[name].zero_point) == (12.0, 0)
    else:
        scale, zero_point = found["quantization"]
        file = built.files[name]
        assert (file.scale, file.zero_point) == (pytest.approx(scale), zero_point + 128)


@pytest.mark.parametrize("name", ["detector", "classifier"])
def test_int8_is_the_network(built: Built, name: str) -> None:
    wanted = by_torch(built.networks[name], built.unseen[name])
    assert wanted.std() > 1, "the network must say something"
    # Random weights round worse than trained ones: another frame's answer is 1.4 away.
    assert error(built.files[name], built.networks[name], built.unseen[name]) < 0.45 * wanted.std()


def test_float_is_the_network(built: Built) -> None:
    found = by_litert(built.files["float"], built.unseen["float"])
    wanted = by_torch(built.networks["float"], built.unseen["float"])
    assert np.abs(found - wanted).max() < 0.01
    assert "head" in built.files["float"].floats


def test_all_is_int8_but_what_was_to_stay_float(built: Built) -> None:
    assert built.files["detector"].floats == ()
    assert built.files["classifier"].floats == ()
    layers = layer_paths(built.networks["kept"])
    kept = {path for path in layers if path.startswith("backbone.stages.0.")} | {"head"}
    assert len(kept) == 3
    assert set(built.files["kept"].floats) == kept
    job = ("kept", "detector")
    kept_error, int8_error = (
        error(built.files[n], built.networks[n], built.unseen[n]) for n in job
    )
    assert kept_error < int8_error


def test_layers_whose_names_the_converter_loses(small: Built) -> None:
    wanted = by_torch(small.networks["senses"], small.unseen["senses"])
    assert small.files["senses"].floats == ()
    assert error(small.files["senses"], small.networks["senses"], small.unseen["senses"]) < (
        0.1 * wanted.std()
    )


def test_severity_without_a_logistic(small: Built) -> None:
    """The paper's: the int8 range clamps, in float the graph does."""
    for name, unit in (("linear", 12 / 255), ("linear-float", 12.0)):
        file = small.files[name]
        assert (file.scale, file.zero_point) == (pytest.approx(unit, rel=1e-6), 0)
        wanted = by_torch(small.networks[name], small.unseen[name])
        assert wanted.min() < 0
        assert wanted.max() > 12
        found = by_litert(file, small.unseen[name])
        assert np.abs(found - wanted.clip(0, 12)).mean() < (0.1 if name == "linear" else 1e-4)


def test_three_channels(small: Built) -> None:
    name = "coloured"
    assert error(small.files[name], small.networks[name], small.unseen[name]) < 0.25


def test_the_shift_of_rounded_weights_is_gone(small: Built) -> None:
    wanted = by_torch(small.networks["plain"], small.unseen["plain"])
    plain, shifted = (
        # Each of the 2×2 sub-cells has a shift of its own.
        float(np.abs(difference.reshape(6, 8, 2, 8, 2).mean((0, 1, 3))).mean())
        for difference in (
            by_litert(small.files[name], small.unseen["plain"]) - wanted
            for name in ("plain", "uncorrected")
        )
    )
    assert shifted > 0.02, "the network must have a shift to correct"
    assert plain < shifted / 3


def test_a_channel_that_lives_by_its_bias(small: Built) -> None:
    """int32 cannot hold the bias at the scale of weights of 1e-12; it came out negative."""
    assert error(small.files["plain"], small.networks["plain"], small.unseen["plain"]) < 0.25


def test_an_outlier_kept_in_float_or_cut_off(small: Built) -> None:
    outlier, relieved, percentile = (
        error(small.files[name], small.networks[name], small.unseen[name])
        for name in ("outlier", "relieved", "percentile")
    )
    assert set(small.files["relieved"].floats) == {"stem", "spread"}
    assert outlier > 1.0, "the outlier must hurt"
    assert relieved < 0.25, "no rounding between two layers in float"
    assert percentile != outlier


def test_the_same_job_gives_the_same_bytes(small: Built) -> None:
    again = convert({name: small.jobs[name] for name in ("plain", "percentile")})
    assert again["plain"].data == small.files["plain"].data
    assert again["percentile"].data == small.files["percentile"].data


def test_a_layer_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    job = TfliteJob(Small(), 1, 32, 32, precision="float32", keep_float=("heads",))
    with pytest.raises(
        ExportError, match=r"no layer 'heads'; expected one of stem, spread, mix, head$"
    ):
        convert({"detector": job})


MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
import worker
data = worker.converted(Path(sys.argv[2]), tuple(sys.argv[3].split(",")))
rng = np.random.default_rng(0)
for count in (4, 44, 84):
    path = Path(sys.argv[2]).with_name(f"{count}.frames")
    rng.integers(0, 256, (count, 256, 256), np.uint8).tofile(path)
    for percentile in (None, 99.9):
        worker.measured(data, path, 1 / 64, 128, percentile)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_is_flat(python: Path, tmp_path: Path) -> None:
    network = Small()
    torch.export.save(export_program(network, 1, 256, 256, 1), tmp_path / "small.pt2")
    command = [python, "-I", "-W", "ignore", "-c", MEASURE, WORKER.parent, tmp_path / "small.pt2"]
    done = subprocess.run(
        [*map(str, command), ",".join(layer_paths(network))],
        capture_output=True,
        text=True,
        check=True,
    )
    first, few, many = map(int, done.stdout.split()[-3:])
    # A frame's activations are 1.7 MiB, its normalised pixels 0.25 MiB.
    assert many - few < 8, f"MiB: {first}, {few}, {many}"


def test_no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "python"))
    with pytest.raises(
        ExportError, match=r"the TFLite tool chain is missing; `make export` builds it"
    ):
        convert({"detector": TfliteJob(Small(), 1, 32, 32)})


def test_an_environment_without_the_tool_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    job = TfliteJob(Small(), 1, 32, 32, calibration=textures(1, 32, 1, seed=0))
    with pytest.raises(ExportError, match=r"TFLite tool chain: .*No module named 'litert_torch'$"):
        convert({"detector": job})


def test_a_python_that_cannot_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "python").write_text("")
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "python"))
    with pytest.raises(ExportError, match=r"python: Permission denied$"):
        convert({"detector": TfliteJob(Small(), 1, 32, 32, precision="float32")})


def test_a_frame_of_another_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    job = TfliteJob(Small(), 1, 32, 32, calibration=textures(1, 64, 1, seed=0))
    with pytest.raises(ExportError, match=r"detector: a calibration frame is uint8 \(64, 64\)"):
        convert({"detector": job})


@pytest.mark.parametrize(
    ("network", "resolution"),
    [("paper", 4), pytest.param("lean", 2, marks=pytest.mark.slow), ("nano", 2)],
)
def test_what_is_exported_is_the_network(network: str, resolution: int) -> None:
    frames = textures(2, 64, 1, seed=8)
    detector = build_detector(network, 1, resolution)
    detector.train()(pixels_of(frames))  # batch statistics of its own
    program = export_program(detector, 1, 64, 64, 2)
    with torch.no_grad():
        found = program.module()(pixels_of(frames).permute(0, 2, 3, 1))[..., 0] * 12
    wanted = by_torch(detector, frames).clip(0, 12)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_sub_cells_are_where_torch_puts_them() -> None:
    values = torch.arange(2 * 16 * 3 * 5.0).reshape(2, 16, 3, 5)
    wanted = nn.functional.pixel_shuffle(values, 4).permute(0, 2, 3, 1)
    assert torch.equal(shuffled(values.permute(0, 2, 3, 1), 4), wanted)
