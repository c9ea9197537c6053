"""Parameters for plain surfaces: what is chosen, on what scale, and every option turned."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from bench.methods.changes import CHANGES, occlude
from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import SingleKindClassifier
from edge.chain.inspector import Inspector
from edge.chain.threshold.detector import ThresholdDetector
from edge.chain.threshold.file import ThresholdFile, parse_threshold
from edge.records import Decision, Frame
from models.data.dataset import DataError, Pixels, Sample
from models.methods.base import GOOD_SEVERITY, TrainingTask
from models.methods.file_detector import FileDetector
from models.methods.recipe import ThresholdRecipe
from models.methods.registry import METHODS
from models.methods.threshold.training import search, train_threshold, worth
from models.training.patches import Picture
from models.training.recipe import load_recipe

SIDE = 128


def cloth(seed: int) -> Pixels:
    """Plain weave: fine threads, noise, and light that falls off to one side."""
    rng = np.random.default_rng([seed, 1])
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    threads = 3.0 * np.sin(x * 1.3) + 3.0 * np.sin(y * 1.1)
    light = 1.0 + rng.uniform(-0.15, 0.15) * (x / SIDE - 0.5)
    made = (130.0 + threads) * light + rng.normal(0.0, 2.0, (SIDE, SIDE))
    return np.asarray(np.clip(made + 0.5, 0, 255), np.uint8)


def picture(seed: int, change: int = 0) -> Picture:
    """With a disc of radius 6 that is brighter by change."""
    pixels, kind_map = cloth(seed), np.zeros((SIDE, SIDE), np.uint8)
    if change:
        x, y = np.random.default_rng([seed, 2]).integers(20, SIDE - 20, 2).tolist()
        cv2.circle(kind_map, (x, y), 6, 1, -1)
        spot = pixels.astype(np.int16) + change * kind_map.astype(np.int16)
        pixels = np.asarray(spot.clip(0, 255), np.uint8)
    kinds = ("spot",) if change else ()
    return Picture(Sample(f"{seed}.png", Path("x"), str(seed), kinds), pixels, kind_map)


GOOD = tuple(picture(seed) for seed in range(8))
DARK = tuple(picture(seed, -35) for seed in range(50, 56))
BRIGHT = tuple(picture(seed, 35) for seed in range(50, 56))


def task(pictures: tuple[Picture, ...] = (*GOOD, *DARK), **told: object) -> TrainingTask:
    recipe = load_recipe("threshold")
    settings = ThresholdRecipe.model_validate(recipe.threshold.model_dump() | told)
    return TrainingTask(
        pictures=pictures,
        held_back=tuple(picture(seed) for seed in range(20, 26)),
        kinds=("spot",),
        channels=1,
        recipe=recipe.model_copy(update={"threshold": settings}),
        checkpoint=Path("unused"),
    )


def file_of(some: TrainingTask) -> ThresholdFile:
    trained = train_threshold(some).detector
    assert isinstance(trained, FileDetector)
    return parse_threshold(trained.data)


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    trained = METHODS["threshold"].train(task()).detector
    assert isinstance(trained, FileDetector)
    kinds = (KindManifest(name="spot"),)
    chain = ChainManifest(threshold=GOOD_SEVERITY + 0.5)
    return Inspector(trained.detector(1), SingleKindClassifier(kinds), chain, kinds, lambda: 0)


def rejects(inspector: Inspector, pixels: Pixels) -> bool:
    return inspector.inspect(Frame(1, 1, 0, 0, pixels)).decision is Decision.REJECT


def test_tells_good_cloth_from_spotted(inspector: Inspector) -> None:
    assert not any(rejects(inspector, cloth(seed)) for seed in range(200, 210))
    assert all(rejects(inspector, picture(seed, -35).pixels) for seed in range(300, 310))


@pytest.mark.parametrize("name", [*CHANGES, "rotation"])
def test_bears_what_a_line_does_to_a_picture(inspector: Inspector, name: str) -> None:
    """Of 8 good pieces and 8 spotted ones at least 14 keep their verdict."""

    def turned(pixels: Pixels) -> Pixels:
        turn = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), 2.0, 1.0)
        return np.asarray(
            cv2.warpAffine(pixels, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101), np.uint8
        )

    change = turned if name == "rotation" else CHANGES[name]
    kept = [not rejects(inspector, change(cloth(seed))) for seed in range(200, 208)]
    kept += [rejects(inspector, change(picture(400 + n, -35).pixels)) for n in range(8)]
    assert sum(kept) >= 14, kept


def test_rejects_what_is_covered(inspector: Inspector) -> None:
    assert all(rejects(inspector, occlude(cloth(seed))) for seed in range(200, 208))


def test_the_scale_is_that_of_held_back_good_parts() -> None:
    some = task()
    reader = ThresholdDetector(file_of(some), 1)
    peaks = [reader.detect(each.pixels).peak() for each in some.held_back]
    assert max(peaks) == pytest.approx(GOOD_SEVERITY, abs=0.05)


def test_what_is_found_is_worth_more() -> None:
    """Dark spots are nothing to one who looks for bright ones."""
    dark, bright = (
        worth(ThresholdFile(polarity=side), GOOD, DARK, 1)  # type: ignore[arg-type]
        for side in ("dark", "bright")
    )
    assert dark > 1.5
    assert bright < 0.5


@pytest.mark.parametrize(("defects", "polarity"), [(DARK, "dark"), (BRIGHT, "bright")])
def test_the_search_is_no_worse_than_any_single_key(
    defects: tuple[Picture, ...], polarity: str
) -> None:
    found = search(GOOD, defects, ThresholdRecipe(), 1)
    highest = worth(found, GOOD, defects, 1)
    plain = ThresholdFile(window_px=63)
    assert highest >= worth(plain, GOOD, defects, 1)
    assert highest >= worth(plain.model_copy(update={"polarity": polarity}), GOOD, defects, 1)
    assert highest > 1.6
    assert found == search(GOOD, defects, ThresholdRecipe(), 1)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("channel", "value"),
        ("denoise", "nlmeans"),
        ("denoise", "none"),
        ("denoise_px", 7),
        ("nlmeans_strength", 4.0),
        ("level", "otsu"),
        ("background", "mean"),
        ("window_px", 41),
        ("polarity", "bright"),
        ("relative", False),
        ("open_px", 5),
        ("close_px", 3),
        ("noise_limit", 1.5),
    ],
)
def test_a_key_that_is_told_is_kept(key: str, value: object) -> None:
    recipe = ThresholdRecipe.model_validate({"denoise": "gaussian", key: value})
    some = tuple(replace(p, pixels=p.pixels[:48, :48], kind_map=p.kind_map[:48, :48]) for p in GOOD)
    marked = some[0].kind_map.copy()
    marked[20:26, 20:26] = 1
    flawed = some[0].pixels.copy()
    flawed[20:26, 20:26] = 60
    bad = replace(some[0], pixels=flawed, kind_map=marked)
    assert getattr(search(some[:2], [bad], recipe, 1), key) == value


def test_search_parts() -> None:
    """A search on two pictures looks at two only: whether the others are there changes nothing."""
    few, all_of = (
        file_of(task(pictures, search_parts=2))
        for pictures in ((GOOD[0], DARK[0]), (GOOD[0], *GOOD[1:], DARK[0], *DARK[1:]))
    )
    told = {"noise": 2.0, "unit": 1.0}  # these are taken of all good parts
    assert few.model_copy(update=told) == all_of.model_copy(update=told)


def test_without_an_annotated_defect_synthetic_ones_are_used() -> None:
    """Defects of other parts are as dark as a synthetic one, and are found."""
    reader = ThresholdDetector(file_of(task(GOOD)), 1)
    assert all(reader.detect(each.pixels).peak() > GOOD_SEVERITY + 0.5 for each in DARK)


def test_a_warning_is_logged_without_a_held_back_good_part(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        train_threshold(replace(task(level="local", denoise="none"), held_back=()))
    assert "threshold-scale: no good part is held back" in caplog.text


def test_what_cannot_be_learnt_from_is_one_line() -> None:
    with pytest.raises(DataError, match="no picture of a good part to take the scale from"):
        train_threshold(task(DARK))
    small = replace(
        GOOD[0], pixels=np.zeros((8, 40), np.uint8), kind_map=np.zeros((8, 40), np.uint8)
    )
    with pytest.raises(DataError, match=r"0\.png: 40×8 px; expected at least 16×16"):
        train_threshold(task((small, *DARK)))


def test_the_same_parts_give_the_same_bytes() -> None:
    told = {"level": "local", "window_px": 63}
    assert (
        train_threshold(task(GOOD, **told)).detector == train_threshold(task(GOOD, **told)).detector
    )
