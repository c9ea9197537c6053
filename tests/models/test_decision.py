"""The decision head: network, loss, batches of whole pictures, and the part threshold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch")

import torch

from models.data.dataset import DataError, DataSet, Sample
from models.data.split import split
from models.evaluation.part_threshold import (
    ScoredPart,
    search_part_threshold,
    search_part_threshold_within,
)
from models.networks import ReducedDetector, build_detector, normalise
from models.training.detector import severity_and_score, severity_map, train_detector
from models.training.fit import Fit
from models.training.losses import cross_entropy_and_overlap, whole_picture
from models.training.patches import Picture, severity_target
from models.training.recipe import Recipe, load_recipe
from models.training.whole_pictures import Sampling, WholePictures

NETWORKS = ("lean", "nano", "large")


def picture(
    name: str, *, bad: bool = False, masked: bool = False, size: tuple[int, int] = (64, 96)
) -> Picture:
    pixels = np.random.default_rng(len(name)).normal(128, 3, size).clip(0, 255).astype(np.uint8)
    kind_map = np.zeros(size, np.uint8)
    if bad:
        pixels[20:34, 30:44] = 10
        kind_map[20:34, 30:44] = masked
    kinds = ("pit",) if bad else ()
    sample = Sample(name, Path(name), name, kinds, (), unmasked=bad and not masked)
    return Picture(sample, pixels, kind_map)


def recipe(**detector: Any) -> Recipe:
    values = {"network": "nano", "decision": True, "batch": 4, "patch_px": 64, "steps": 4, "ema": 0}
    return Recipe.model_validate(
        {
            "name": "tiny",
            "labels": {"floor": 6.0},
            "augment": {"rotate_deg": 0.0, "shift_px": 8},
            "detector": {**values, "precision": "float32", **detector},
        }
    )


def sampling(batch: int) -> Sampling:
    return Sampling(0, batch, 64, recipe().augment.options(centre_on_defect=False))


def label(pixels: npt.NDArray[np.uint8], kind_map: npt.NDArray[np.uint8]) -> Any:
    return severity_target(pixels, kind_map, 2, recipe().labels, 100.0)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_decides_gives_one_row_for_each_picture(name: str) -> None:
    torch.manual_seed(0)
    network = build_detector(name, 1, 2, decision=True).eval()
    assert isinstance(network, ReducedDetector)
    pixels = np.random.default_rng(0).integers(0, 256, (100, 130), np.uint8)
    cells, score = severity_and_score(network, pixels)
    assert cells.shape == (50, 65)
    assert score is not None
    assert 0 <= score <= 12
    assert (severity_map(network, pixels) == cells).all()
    with torch.no_grad():
        rows = network(normalise(torch.zeros(3, 1, 128, 192)))
    assert rows.shape == (3, 64 * 96 + 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_decides_learns_from_patches_of_any_multiple_of_32_px(name: str) -> None:
    network = build_detector(name, 1, 2, decision=True).train()
    for height, width in ((96, 64), (224, 160)):
        rows = network(torch.zeros(2, 1, height, width))
        assert rows.shape == (2, height * width // 4 + 1)


def test_a_network_without_a_head_has_no_score() -> None:
    network = build_detector("nano", 1, 2).eval()
    assert severity_and_score(network, picture("a").pixels)[1] is None
    assert not network.decides
    with pytest.raises(ValueError, match="no network 'paper'"):
        build_detector("paper", 1, 2, decision=True)


@pytest.mark.parametrize("is_cut", [False, True])
def test_the_decision_trains_the_features_unless_it_is_cut_and_never_the_map(is_cut: bool) -> None:
    network = build_detector("nano", 1, 2, decision=True).train()
    assert isinstance(network, ReducedDetector)
    assert network.decision is not None
    network.decision.is_cut = is_cut
    network(torch.randn(2, 1, 64, 64))[:, -1].sum().backward()
    assert network.head.weight.grad is not None
    assert not network.head.weight.grad.any()
    stem = next(iter(network.backbone.parameters()))
    assert stem.grad is not None
    assert bool(stem.grad.any()) is not is_cut
    assert network.decision.peak.grad is not None


def test_stages_beyond_the_map_learn_from_the_decision_though_it_is_cut() -> None:
    network = build_detector("lean", 1, 2, decision=True).train()
    assert isinstance(network, ReducedDetector)
    assert network.decision is not None
    network.decision.is_cut = True
    network(torch.randn(2, 1, 64, 64))[:, -1].sum().backward()
    learns = [
        any(p.grad is not None and bool(p.grad.any()) for p in stage.parameters())
        for stage in network.backbone.stages
    ]
    assert learns == [False] * 4 + [True] * 3


def test_cells_that_nobody_knows_do_not_count_in_the_loss() -> None:
    rows = torch.randn(3, 17, requires_grad=True)
    targets = torch.zeros(3, 17)
    targets[1, :] = 12.0
    targets[2, :-1], targets[2, -1] = float("nan"), 12.0
    loss = whole_picture(rows, targets, 6.0, hard_weight=0.0, decision_weight=2.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert rows.grad is not None
    assert (rows.grad[2, :-1] == 0).all()
    assert (rows.grad[:2] != 0).all()
    assert rows.grad[2, -1] < 0  # towards a higher score
    decided = torch.nn.functional.binary_cross_entropy_with_logits(
        rows[:, -1], torch.tensor([0.0, 1.0, 1.0])
    )
    cells = cross_entropy_and_overlap(rows[:2, :-1], targets[:2, :-1], 6.0)
    wanted = (2 * decided + cells * 2 / 3).item()
    assert loss.item() == pytest.approx(wanted, rel=1e-5)


def test_a_batch_of_whole_pictures_has_as_many_good_as_defective_ones() -> None:
    pictures = (
        *(picture(f"good{n}") for n in range(9)),
        picture("bad", bad=True),
        picture("drawn", bad=True, masked=True, size=(70, 90)),
    )
    source = WholePictures(pictures, sampling(6), label, 64)
    pixels, targets = source.batch(3)
    assert pixels.dtype == np.uint8
    assert pixels.shape[1:] in ((1, 64, 128), (1, 128, 128))
    assert targets.shape == (len(pixels), pixels.shape[2] * pixels.shape[3] // 4 + 1)
    assert sorted(targets[:, -1].tolist()) == [0.0] * (len(pixels) // 2) + [12.0] * (
        len(pixels) // 2
    )
    again = source.batch(3)
    assert (again[0] == pixels).all()
    for row in targets:
        known = ~np.isnan(row[:-1])
        assert known.all() or not known.any()
        assert known.all() or row[-1] == 12.0
        if row[-1] == 0.0:
            assert not row.any()
    seen = {bool(np.isnan(row).any()) for step in range(8) for row in source.batch(step)[1]}
    assert seen == {False, True}
    with pytest.raises(ValueError, match="no picture"):
        WholePictures((), sampling(4), label, 64)


def test_one_side_alone_fills_the_batch() -> None:
    good = tuple(picture(f"p{n}") for n in range(6))
    _, targets = WholePictures(good, sampling(4), label, 64).batch(0)
    assert len(targets) >= 2
    assert (targets == 0).all()


def test_no_cell_is_known_where_no_picture_has_a_mask() -> None:
    pictures = tuple(picture(f"p{n}", bad=n % 2 == 0) for n in range(6))
    source = WholePictures(pictures, sampling(4), label, 64, sound_is_known=False)
    _, targets = source.batch(0)
    assert np.isnan(targets[:, :-1]).all()
    assert {0.0, 12.0} == set(targets[:, -1].tolist())


def test_pictures_of_a_batch_have_about_one_size() -> None:
    small = [picture(f"s{n}", bad=n % 2 == 0, size=(32, 32)) for n in range(60)]
    large = [picture(f"l{n}", bad=n % 2 == 0, size=(128, 128)) for n in range(60)]
    source = WholePictures((*small, *large), sampling(2), label, 32)
    shapes = {source.batch(step)[0].shape for step in range(20)}
    assert shapes == {(2, 1, 32, 32), (2, 1, 128, 128)}


@pytest.mark.parametrize(("share", "whole"), [(0.5, 2), (0.25, 1), (1.0, 4)])
def test_the_share_of_whole_pictures_and_the_cut(
    share: float, whole: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dims = []

    def run(self: Fit, batches: Any) -> torch.nn.Module:
        dims.extend(targets.dim() for _, targets in batches(0, 4))
        for pixels, targets in batches(0, 4):  # every loss can be computed
            assert torch.isfinite(self._loss(self._network(pixels), targets))
        return self._network.eval()

    monkeypatch.setattr(Fit, "run", run)
    drawn = tuple(
        picture(f"{'b' if bad else 'g'}{n}", bad=bad, masked=True)
        for bad in (False, True)
        for n in range(4)
    )
    some = recipe(decision_share=share)
    network, _ = train_detector(drawn, ("pit",), 1, some, tmp_path / "a.ckpt")
    assert dims.count(2) == whole
    assert network.decision.is_cut  # masks teach the features
    network, _ = train_detector(
        (*drawn, picture("u", bad=True)), ("pit",), 1, some, tmp_path / "b.ckpt"
    )
    assert not network.decision.is_cut
    dims.clear()
    unmasked = tuple(picture(f"p{n}", bad=n % 2 == 0) for n in range(6))
    network, _ = train_detector(unmasked, ("pit",), 1, some, tmp_path / "c.ckpt")
    assert dims == [2] * 4  # without a mask every step is on whole pictures
    assert not network.head.weight.any()  # and the map is silent


def test_the_weight_of_the_decision_is_that_of_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = []
    rows, targets = torch.zeros(2, 17), torch.full((2, 17), float("nan"))
    targets[:, -1] = torch.tensor([0.0, 12.0])

    def run(self: Fit, batches: Any) -> torch.nn.Module:
        losses.append(self._loss(rows, targets).item())
        return self._network.eval()

    monkeypatch.setattr(Fit, "run", run)
    pictures = tuple(picture(f"p{n}", bad=n % 2 == 0) for n in range(4))
    for weight in (1.0, 3.0):
        some = recipe(decision_weight=weight)
        train_detector(pictures, ("pit",), 1, some, tmp_path / "a.ckpt")
    assert losses == pytest.approx([np.log(2), 3 * np.log(2)])


def test_a_recipe_decides_only_with_a_network_that_can() -> None:
    assert not load_recipe("lean").decides
    assert recipe().decides
    with pytest.raises(ValueError, match="'paper' has no decision head"):
        recipe(network="paper")
    with pytest.raises(ValueError, match="only the method regression"):
        Recipe.model_validate({"name": "a", "method": "cascade", "detector": {"decision": True}})


def test_defective_pictures_without_a_mask_are_divided_where_a_head_learns_from_them() -> None:
    samples = [picture(f"{n:02d}", bad=n % 2 == 0).sample for n in range(20)]
    data = DataSet(Path(), "sorted", ("pit",), 1, tuple(samples))
    plain = split(data, 0.3, 0)
    assert len(plain.unmasked) == 10
    both = split(data, 0.3, 0, with_unmasked=True)
    assert not both.unmasked
    for side in (both.train, both.validation):
        assert {sample.is_good for sample in side} == {True, False}


def parts(*scored: tuple[bool, bool, float]) -> list[ScoredPart]:
    return [ScoredPart(*each) for each in scored]


def test_the_part_threshold_makes_the_fewest_mistakes_among_the_parts_that_regions_leave() -> None:
    some = parts(
        (False, False, 1.0), (False, False, 3.0), (True, False, 5.0), (True, False, 9.0),
        (False, True, 11.0), (True, True, 0.5),
    )  # fmt: skip
    assert search_part_threshold(some) == 4.0
    # One part is wrong between 3 and 7, where 6 is a candidate itself, and one between 8 and 9.
    mixed = parts((False, False, 3.0), (True, False, 7.0), (False, False, 8.0), (True, False, 9.0))
    assert search_part_threshold(mixed) == 6.0


def test_no_part_threshold_where_it_would_not_help() -> None:
    regions_find_all = parts((False, False, 1.0), (True, True, 9.0))
    assert search_part_threshold(regions_find_all) is None
    upside_down = parts((False, False, 9.0), (False, False, 8.0), (True, False, 1.0))
    assert search_part_threshold(upside_down) is None
    assert search_part_threshold(parts((True, False, 9.0))) is None
    assert search_part_threshold(parts((False, False, 9.0))) is None


def test_within_a_limit_the_part_threshold_has_the_fewest_escapes() -> None:
    """Regions reject one good part; of the others, good ones score 1, 3 and 6."""
    some = parts(
        (False, True, 9.0), (False, False, 1.0), (False, False, 3.0), (False, False, 6.0),
        (True, False, 2.0), (True, False, 4.5), (True, False, 9.0), (True, True, 0.5),
    )  # fmt: skip
    assert search_part_threshold_within(some, 0) == 7.0
    assert search_part_threshold_within(some, 1) == 3.5
    assert search_part_threshold_within(some, 2) == pytest.approx(1.33)
    # Both good parts may be rejected, but the defective part is above both.
    above = parts((False, False, 3.0), (False, False, 6.0), (True, False, 9.0))
    assert search_part_threshold_within(above, 2) == 7.0


def test_within_a_limit_there_is_none_where_no_defective_part_is_above_it() -> None:
    assert search_part_threshold_within(parts((False, False, 9.0), (True, False, 8.0)), 0) is None
    assert search_part_threshold_within(parts((False, False, 1.0), (True, True, 8.0)), 0) is None
    assert search_part_threshold_within(parts((True, False, 8.0)), 0) is None
    # A build in uint8 has no score above 11.9 and below 12.
    assert search_part_threshold_within(parts((False, False, 11.9), (True, False, 12.0)), 0) is None


def test_whole_pictures_only_of_good_parts_are_refused_in_one_line(tmp_path: Path) -> None:
    import cv2

    from models.runs.preparation import prepare

    for kind, count in (("good", 6), ("bad", 1)):
        (tmp_path / kind).mkdir()
        for n in range(count):
            cv2.imwrite(str(tmp_path / kind / f"{kind}{n}.png"), picture(f"{n}").pixels)
    with pytest.raises(DataError, match=r"no .* picture is of a defective part; expected at least"):
        prepare(tmp_path, recipe())
