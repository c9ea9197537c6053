"""The autoencoder of good parts: it finds what it never saw, and only good parts teach it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
import torch

from models.data.dataset import DataError, Sample
from models.methods.autoencoder.network import Autoencoder
from models.methods.autoencoder.training import GoodPatches, restoration_loss
from models.methods.base import GOOD_SEVERITY, TrainingTask
from models.methods.registry import METHODS
from models.networks import PIXEL_SCALE, normalise
from models.training import fit as fit_module
from models.training.detector import severity_map
from models.training.fit import Fit
from models.training.patches import Picture
from models.training.recipe import Recipe

METHOD = METHODS["autoencoder"]
SIDE_PX = 64
SMALL = {"width": 16, "latent": 16, "depth": 1, "patch_px": 32, "batch": 8, "steps": 120}


def picture(number: int, *, bad: bool = False, channels: int = 1) -> Picture:
    """Stripes of 8 px at any phase, with noise; a defect is a bright disc of 8 px."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    values = 128 + 40 * np.sin(2 * np.pi * x / 8 + rng.uniform(0, 6.28))
    values += rng.normal(0, 2, values.shape)
    kind_map = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    if bad:
        row, col = rng.integers(16, SIDE_PX - 16, 2)
        kind_map[(y - row) ** 2 + (x - col) ** 2 < 8**2] = 1
        values[kind_map > 0] = 210
    pixels = values.clip(0, 255).astype(np.uint8)
    if channels == 3:
        pixels = np.ascontiguousarray(np.repeat(pixels[:, :, None], 3, 2))
    sample = Sample(str(number), Path("x"), str(number), ("gap",) if bad else ())
    return Picture(sample, pixels, kind_map)


GOOD = tuple(picture(n) for n in range(12))
GOOD_HELD_BACK = tuple(picture(n) for n in range(100, 110))
BAD = tuple(picture(n, bad=True) for n in range(200, 206))


def recipe(**options: Any) -> Recipe:
    return Recipe.model_validate(
        {"name": "x", "method": "autoencoder", "autoencoder": SMALL | options}
    )


def task(folder: Path, *, seed: int = 0, **options: Any) -> TrainingTask:
    told = recipe(**options).model_copy(update={"seed": seed})
    return TrainingTask(GOOD, GOOD_HELD_BACK, ("gap",), 1, told, folder / "x.ckpt")


def weights(network: Any) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in network.state_dict().items()}


def peaks(network: Any, pictures: tuple[Picture, ...]) -> list[float]:
    return [float(severity_map(network, p.pixels).max()) for p in pictures]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Autoencoder:
    network = METHOD.train(task(tmp_path_factory.mktemp("trained"), steps=200)).detector
    assert isinstance(network, Autoencoder)
    return network


def test_it_finds_what_it_never_saw(trained: Autoencoder) -> None:
    """Every gap is above the worst of the good parts, and lies where it was set in."""
    assert METHOD.good_only
    assert min(peaks(trained, BAD)) > max(peaks(trained, GOOD_HELD_BACK))
    for some in BAD:
        severity = severity_map(trained, some.pixels)
        near = cv2.dilate(some.kind_map, np.ones((25, 25)))[::2, ::2] > 0  # 12 px
        above = severity > GOOD_SEVERITY
        assert above.any()
        assert (above & near).sum() > 0.9 * above.sum()
        flaw = some.kind_map[::2, ::2] > 0
        assert severity[flaw].mean() > 2 * GOOD_SEVERITY
        assert np.median(severity[~flaw]) < GOOD_SEVERITY


def test_the_worst_good_part_is_at_4(trained: Autoencoder) -> None:
    assert max(peaks(trained, GOOD_HELD_BACK)) == pytest.approx(GOOD_SEVERITY, rel=1e-4)


def test_it_goes_on_after_a_kill_and_defective_pictures_teach_it_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_module, "CHECKPOINT_EVERY", 5)
    (tmp_path / "whole").mkdir()
    whole = METHOD.train(task(tmp_path / "whole", steps=20))
    assert [step for step, _ in whole.loss] == [5, 10, 15, 20]

    class Killed(BaseException):
        pass

    def until(self: Fit, step: int, *rest: Any) -> float:
        if step == 12:
            raise Killed
        return real(self, step, *rest)

    real = Fit._step
    mixed = replace(
        task(tmp_path, steps=20), pictures=(*BAD, *GOOD), held_back=(*BAD, *GOOD_HELD_BACK)
    )
    with monkeypatch.context() as patch:
        patch.setattr(Fit, "_step", until)
        with pytest.raises(Killed):
            METHOD.train(mixed)
    again = METHOD.train(mixed)
    assert weights(again.detector) == weights(whole.detector)
    other = METHOD.train(replace(task(tmp_path, seed=1, steps=20), checkpoint=tmp_path / "y.ckpt"))
    assert weights(other.detector) != weights(whole.detector)


def test_a_built_network_takes_the_weights(trained: Autoencoder) -> None:
    assert METHOD.build is not None
    built = METHOD.build(recipe(), 1)
    built.load_state_dict(trained.state_dict())
    built.eval()
    for some in (GOOD_HELD_BACK[0], BAD[0]):
        # The trained one lies in memory the other way, and adds in another order.
        maps = (severity_map(network, some.pixels) for network in (built, trained))
        np.testing.assert_allclose(*maps, atol=1e-4)


def test_colour_and_a_reduced_picture(tmp_path: Path) -> None:
    """A picture of twice the size, in colour, is one of this size."""
    good, held, bad = (
        tuple(_enlarged(picture(p_n, bad=some, channels=3)) for p_n in numbers)
        for numbers, some in ((range(8), False), (range(100, 104), False), (range(200, 204), True))
    )
    told = recipe(reduction=2, patch_px=64, steps=200)
    network = METHOD.train(
        TrainingTask(good, held, ("gap",), 3, told, tmp_path / "x.ckpt")
    ).detector
    assert isinstance(network, Autoencoder)
    assert (network.stride_px, network.multiple_px) == (4, 16)
    assert min(peaks(network, bad)) > max(peaks(network, held))


def _enlarged(some: Picture) -> Picture:
    pixels, kinds = (
        np.ascontiguousarray(values.repeat(2, 0).repeat(2, 1))
        for values in (some.pixels, some.kind_map)
    )
    return Picture(some.sample, pixels, kinds)


def test_no_good_part_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^no training picture is of a good part; "):
        METHOD.train(replace(task(tmp_path), pictures=BAD))


def test_none_held_back_takes_those_trained_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        network = METHOD.train(replace(task(tmp_path, steps=3), held_back=BAD)).detector
    assert "no good part is held back" in caplog.text
    assert max(peaks(network, GOOD)) == pytest.approx(GOOD_SEVERITY, rel=1e-4)


def patches(**options: Any) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Given and wanted, as steps 0 to 4 have them."""
    plain = {"flip": False, "brightness": 0.0, "contrast": 0.0, "synthetic_share": 0.0}
    plain |= {"rim_share": 0.0}
    source = GoodPatches(GOOD, recipe(**(plain | options)))
    pairs = [source.batch(step) for step in range(5)]
    return tuple(np.concatenate([pair[n].numpy() for pair in pairs]) for n in (0, 1))  # type: ignore[return-value]


def test_patches_are_of_the_pictures() -> None:
    given, wanted = patches()
    assert given.shape == (40, 1, 32, 32)
    assert np.array_equal(given, wanted)
    windows = np.lib.stride_tricks.sliding_window_view
    for patch in wanted[:3, 0]:
        assert any((windows(p.pixels, (32, 32)) == patch).all((2, 3)).any() for p in GOOD)


def test_patches_at_the_rim_show_what_the_station_reflects() -> None:
    """Of 64 px a network of multiples of 48 sees 96: the last 32 are those before, mirrored."""
    options = {"flip": False, "brightness": 0.0, "contrast": 0.0, "synthetic_share": 0.0}
    source = GoodPatches(GOOD[:1], recipe(**options, rim_share=1.0), 48)
    whole = np.pad(GOOD[0].pixels, ((0, 32), (0, 32)), "reflect")
    corner = whole[-32:, -32:]
    patches = np.concatenate([source.batch(step)[1].numpy() for step in range(10)])[:, 0]
    assert any(np.array_equal(patch, corner) for patch in patches)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("flip", True),
        ("rotate_deg", 20.0),
        ("brightness", 30.0),
        ("contrast", 0.5),
        ("rim_share", 1.0),
    ],
)
def test_what_a_good_part_may_look_like_changes_both(option: str, value: Any) -> None:
    given, wanted = patches(**{option: value})
    assert np.array_equal(given, wanted)
    assert not np.array_equal(wanted, patches()[1])


@pytest.mark.parametrize(("option", "value"), [("synthetic_share", 1.0), ("noise_sigma", 9.0)])
def test_what_is_set_in_is_to_be_taken_out(option: str, value: float) -> None:
    given, wanted = patches(**{option: value})
    assert (given != wanted).any((1, 2, 3)).all()
    # What is drawn for one patch moves what is drawn for the next; the first is the same.
    assert np.array_equal(wanted[0], patches()[1][0])


def test_a_reconstruction_is_held_against_the_clean_patch() -> None:
    torch.manual_seed(0)
    network = Autoencoder(1, expected=False)
    clean = torch.randn(2, 1, 32, 32)
    for kind, wanted in (("l1", 0.2), ("l2", 0.04)):
        planes = network.split(clean)
        outputs = torch.cat([planes + 0.2, planes - 1.0], 1)
        loss = restoration_loss(network, outputs, clean, recipe(loss=kind).autoencoder)
        assert float(loss.detach()) == pytest.approx(wanted, rel=1e-4)


def test_no_error_is_expected_of_a_defect() -> None:
    """Trust learns the error where no defect was set in, and only there."""
    network = Autoencoder(1)
    clean = torch.zeros(1, 1, 64, 64)
    planes = network.split(clean)
    seen = planes.clone()
    seen[:, :, :, 8:] += 1.0
    trust = torch.zeros(1, 1, 16, 16, requires_grad=True)
    outputs = torch.cat([planes + 0.2, seen, trust], 1)
    options = recipe(discrimination_weight=0.0).autoencoder
    restoration_loss(network, outputs, clean, options).backward()  # type: ignore[no-untyped-call]
    assert trust.grad is not None
    assert (trust.grad[..., :4] != 0).all()
    assert (trust.grad[..., 9:] == 0).all()


def test_a_defect_stands_out() -> None:
    """The loss raises trust, and the reconstruction, where a defect was set in and not found."""
    network = Autoencoder(1)
    clean = torch.zeros(1, 1, 64, 64)
    planes = network.split(clean)
    seen = planes.clone()
    seen[:, :, :, 8:] += 1.0
    trust = torch.full((1, 1, 16, 16), -6.0, requires_grad=True)
    made = (planes + 0.01).requires_grad_()
    slopes = []
    for weight in (0.0, 1.0):
        options = recipe(discrimination_weight=weight).autoencoder
        loss = restoration_loss(network, torch.cat([made, seen, trust], 1), clean, options)
        slopes.append(torch.autograd.grad(loss, (trust, made)))
    (_, plain), (judged, drawn) = slopes
    assert (judged[..., 10:] < 0).all()
    # Where the defect adds one, a lower reconstruction shows it better.
    assert (drawn[..., 3:-3, 10:-3] > plain[..., 3:-3, 10:-3]).all()


def test_steps_of_bfloat16_and_rounded_weights_give_other_weights(tmp_path: Path) -> None:
    found = []
    for n, options in enumerate(
        ({}, {"precision": "bfloat16"}, {"rounded_share": 0.5}, {"ema": 0.0})
    ):
        some = replace(task(tmp_path, steps=8, **options), checkpoint=tmp_path / f"{n}.ckpt")
        network = METHOD.train(some).detector
        found.append(weights(network)["head.weight"])
    assert len(set(found)) == 4


def test_the_cells_are_normalised_pixels() -> None:
    network = Autoencoder(1)
    pixels = torch.full((1, 1, 32, 32), 192, dtype=torch.uint8)
    assert float(network.split(normalise(pixels)).mean()) == pytest.approx(64 * PIXEL_SCALE)
