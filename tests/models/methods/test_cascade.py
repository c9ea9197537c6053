"""Two autoencoders in a row learn from masks; the second reads the output of the first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
import torch

from models.data.dataset import DataError, Sample
from models.methods.base import TrainingTask
from models.methods.cascade.network import CascadeDetector
from models.methods.registry import METHODS
from models.training.detector import severity_map
from models.training.patches import Picture
from models.training.recipe import Recipe

METHOD = METHODS["cascade"]
SIDE_PX = 64


def picture(number: int, *, bad: bool) -> Picture:
    rng = np.random.default_rng(number)
    pixels = rng.normal(128, 4, (SIDE_PX, SIDE_PX)).clip(0, 255).astype(np.uint8)
    kind_map = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    if bad:
        row, col = rng.integers(8, SIDE_PX - 20, 2)
        kind_map[row : row + 10, col : col + 12] = 1
        pixels[kind_map > 0] = 40
    kinds = ("pit",) if bad else ()
    return Picture(Sample(str(number), Path("x"), str(number), kinds), pixels, kind_map)


PICTURES = tuple(picture(n, bad=n % 2 == 0) for n in range(16))
HELD_BACK = tuple(picture(n, bad=n % 2 == 0) for n in range(100, 108))


def task(folder: Path, *, cascade: dict[str, Any] | None = None, **detector: Any) -> TrainingTask:
    plain = {"patch_px": 64, "batch": 8, "steps": 60, "learning_rate": 5e-3, "ema": 0.8}
    recipe = Recipe.model_validate(
        {
            "name": "x",
            "method": "cascade",
            "labels": {"truncate": 0.0, "floor": 6.0},
            "augment": {"rotate_deg": 0.0, "shift_px": 8},
            "detector": plain | {"precision": "float32"} | detector,
            "cascade": {"width": 16, "depth": 2} | (cascade or {}),
        }
    )
    return TrainingTask(PICTURES, HELD_BACK, ("pit",), 1, recipe, folder / "x.ckpt")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> CascadeDetector:
    network = METHOD.train(task(tmp_path_factory.mktemp("trained"))).detector
    assert isinstance(network, CascadeDetector)
    return network


def test_it_segments(trained: CascadeDetector) -> None:
    assert not METHOD.good_only
    for some in HELD_BACK:
        found = severity_map(trained, some.pixels) > 3
        wanted = some.kind_map[::2, ::2] > 0
        if some.sample.is_good:
            assert not found.any()
        else:
            assert (found & wanted).sum() / (found | wanted).sum() > 0.6


def test_both_stages_learnt_and_the_second_hears_the_first(trained: CascadeDetector) -> None:
    pixels = torch.from_numpy(np.stack([p.pixels[None] for p in HELD_BACK]))
    values = (pixels.float() - 128) / 64
    with torch.no_grad():
        trained.train()
        try:
            both = trained(values)
        finally:
            trained.eval()
        first, second = both.chunk(2)
        assert tuple(both.shape) == (2 * len(HELD_BACK), 1, SIDE_PX // 2, SIDE_PX // 2)
        truth = torch.from_numpy(np.stack([p.kind_map[None, ::2, ::2] > 0 for p in HELD_BACK]))
        for stage in (first, second):
            assert stage[truth].mean() > 0 > stage[~truth].mean()
        # A first stage with a high output everywhere changes the output of the second.
        bias, before = trained.first_head.bias, trained(values)
        bias += 20.0
        assert not torch.allclose(trained(values), before)
        bias -= 20.0


def test_a_network_gives_one_number_per_2_by_2() -> None:
    for channels, depth, refine in ((1, 1, 0.5), (3, 3, 2.0)):
        network = CascadeDetector(channels, width=16, depth=depth, refine=refine).eval()
        assert network.multiple_px == 4 * 2**depth
        assert network.again.out_channels == 16 * refine
        with torch.no_grad():
            found = network(torch.randn(2, channels, 64, 96))
        assert tuple(found.shape) == (2, 1, 32, 48)
        assert 0 <= found.min() <= found.max() <= 12


def test_a_built_network_takes_the_weights(trained: CascadeDetector, tmp_path: Path) -> None:
    assert METHOD.build is not None
    built = METHOD.build(task(tmp_path).recipe, 1)
    built.load_state_dict(trained.state_dict())
    maps = (severity_map(some, HELD_BACK[0].pixels) for some in (built.eval(), trained))
    np.testing.assert_allclose(*maps, atol=1e-4)


def test_width_depth_and_refine_are_the_recipes(tmp_path: Path) -> None:
    assert METHOD.build is not None
    shapes = set()
    for turned in ({}, {"width": 24}, {"depth": 1}, {"refine": 0.5}):
        built = METHOD.build(task(tmp_path, cascade=turned).recipe, 1)
        shapes.add(sum(p.numel() for p in built.parameters()))
    assert len(shapes) == 4


def test_the_same_seed_gives_the_same_and_checks_keep_the_best(tmp_path: Path) -> None:
    found = []
    for n in range(2):
        some = replace(task(tmp_path, steps=6, checks=2), checkpoint=tmp_path / f"{n}.ckpt")
        network = METHOD.train(some).detector
        assert isinstance(network, CascadeDetector)
        found.append(network.second_head.weight.detach().numpy().tobytes())
    assert found[0] == found[1]


def test_another_resolution_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^recipe key 'detector\.resolution' is 4; "):
        METHOD.train(task(tmp_path, resolution=4))
