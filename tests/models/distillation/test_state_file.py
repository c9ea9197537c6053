"""State files of published networks: recognised by names and shapes, and refused otherwise."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from models.data.dataset import DataError
from models.distillation.resnet import RESNETS, ResNet
from models.distillation.state_file import VIT, read_state
from models.distillation.vision_transformer import VisionTransformer, from_torchvision

# Parameters without the head of 1,000 classes, as published for torchvision.
PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "wide_resnet50_2": 68_883_240,
}


def small_vit() -> dict[str, Tensor]:
    """The state of ViT-B/16 with every value one number, so that the file stays small."""
    with torch.device("meta"):
        state = VisionTransformer().state_dict()
    return {
        name: torch.full((1,), 0.01).expand(tuple(value.shape)) for name, value in state.items()
    }


def of_torchvision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names that torchvision gives to the same tensors."""
    words = [
        ("patch_embed.proj.", "conv_proj."),
        ("attn.qkv.", "self_attention.in_proj_"),
        ("attn.proj.", "self_attention.out_proj."),
        ("norm1.", "ln_1."),
        ("norm2.", "ln_2."),
        ("mlp.fc1.", "mlp.0."),
        ("mlp.fc2.", "mlp.3."),
    ]
    named = {}
    for name, value in state.items():
        for old, new in words:
            name = name.replace(old, new)
        if name.startswith("blocks."):
            _, number, rest = name.split(".", 2)
            name = f"encoder.layers.encoder_layer_{number}.{rest}"
        name = {"cls_token": "class_token", "pos_embed": "encoder.pos_embedding"}.get(name, name)
        name = name.replace("norm.", "encoder.ln.") if name.startswith("norm.") else name
        named[name] = value
    return named


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_resnet_has_the_parameters_that_are_published(name: str) -> None:
    with torch.device("meta"):
        network = ResNet(RESNETS[name])
    assert sum(each.numel() for each in network.parameters()) == PARAMETERS[name]


def test_resnet_names_its_parameters_as_the_libraries_do() -> None:
    with torch.device("meta"):
        state = ResNet(RESNETS["wide_resnet50_2"]).state_dict()
    assert tuple(state["conv1.weight"].shape) == (64, 3, 7, 7)
    assert tuple(state["layer1.0.conv2.weight"].shape) == (128, 128, 3, 3)
    assert tuple(state["layer1.0.downsample.0.weight"].shape) == (256, 64, 1, 1)
    assert tuple(state["layer3.5.conv3.weight"].shape) == (1024, 512, 1, 1)
    assert tuple(state["layer4.2.bn3.running_mean"].shape) == (2048,)
    assert tuple(state["fc.weight"].shape) == (1000, 2048)
    assert "layer1.1.downsample.0.weight" not in state


def test_vit_has_the_tensors_of_timm_and_torchvision() -> None:
    with torch.device("meta"):
        state = VisionTransformer().state_dict()
    assert tuple(state["pos_embed"].shape) == (1, 197, 768)
    assert tuple(state["blocks.11.attn.qkv.weight"].shape) == (2304, 768)
    assert tuple(state["blocks.0.mlp.fc1.bias"].shape) == (3072,)
    head = 768 * 1000 + 1000
    assert sum(value.numel() for value in state.values()) + head == 86_567_656, "ViT-B/16"
    named = of_torchvision(state)
    assert "encoder.layers.encoder_layer_3.self_attention.in_proj_bias" in named
    assert from_torchvision(named).keys() == state.keys()
    old = {name.replace("mlp.0.", "mlp.linear_1."): value for name, value in named.items()}
    assert from_torchvision(old).keys() == state.keys()


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_a_state_is_recognised_with_another_head_and_in_a_checkpoint(
    tmp_path: Path, name: str
) -> None:
    torch.manual_seed(0)
    state = ResNet(RESNETS[name]).state_dict()
    state["fc.weight"], state["fc.bias"] = torch.zeros(7, 512), torch.zeros(7)
    del state["bn1.num_batches_tracked"]
    wrapped = {"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 3}
    torch.save(wrapped, tmp_path / "teacher.pt")
    found = read_state(tmp_path / "teacher.pt")
    assert found.architecture == name
    assert torch.equal(found.network.state_dict()["conv1.weight"], state["conv1.weight"])
    assert not found.network.training
    assert not any(each.requires_grad for each in found.network.parameters())


@pytest.mark.parametrize("names", ["timm", "torchvision"])
def test_a_vit_is_recognised_by_either_librarys_names(tmp_path: Path, names: str) -> None:
    state = small_vit() if names == "timm" else of_torchvision(small_vit())
    torch.save(state, tmp_path / "vit.pt")
    found = read_state(tmp_path / "vit.pt")
    assert found.architecture == VIT
    assert float(found.network.state_dict()["blocks.5.attn.qkv.bias"][0]) == pytest.approx(0.01)


def test_features_of_a_resnet_are_those_of_its_second_and_third_layer() -> None:
    torch.manual_seed(0)
    network = ResNet(RESNETS["resnet18"]).eval()
    seen: Counter[str] = Counter()
    network.get_submodule("layer4").register_forward_hook(lambda *_: seen.update(["layer4"]))
    fine, coarse = network(torch.zeros(2, 3, 64, 96))
    assert tuple(fine.shape) == (2, 128, 8, 12)
    assert tuple(coarse.shape) == (2, 256, 4, 6)
    assert not seen, "layer 4 is not run"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"a": torch.zeros(2)},
            "resnet18, resnet34, resnet50, wide_resnet50_2, vit_base_patch16",
        ),
        ({}, "is no state of resnet18"),
        ([1, 2], "holds no state; expected a dictionary of tensors"),
        ({"a": 3}, "holds no state"),
        (b"nothing", "is no file of weights that torch.save wrote"),
    ],
)
def test_another_file_gets_one_line(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "other.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(DataError, match=message) as refused:
        read_state(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert len(str(refused.value).splitlines()) == 1


class _Code:
    """An object whose pickle calls a function."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.mkdir, (Path("made-by-a-teacher"),)


def test_a_state_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    torch.save({"a": _Code()}, tmp_path / "code.pt")
    with pytest.raises(DataError, match="no file of weights"):
        read_state(tmp_path / "code.pt")
    assert not Path("made-by-a-teacher").exists()
