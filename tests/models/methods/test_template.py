"""Golden images from good parts: what they learn, what they bear, and every option turned."""

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
from edge.chain.template.file import SPREAD_STEP, TemplateFile, parse_template
from edge.records import Decision, Frame
from models.data.dataset import DataError, Pixels, Sample
from models.methods.base import GOOD_SEVERITY, TrainingTask
from models.methods.file_detector import FileDetector
from models.methods.recipe import TemplateRecipe
from models.methods.registry import METHODS
from models.methods.template.training import make_reference, make_template, train_template
from models.training.patches import Picture
from models.training.recipe import Recipe, load_recipe
from tests.models.methods.parts import Lie, drawing, play, seen

HEIGHT, WIDTH = 192, 256
DEFECTS = ("blob", "gone", "scratch")


def frame(seed: int, defect: str | None = None, *, variant: int = 0) -> Pixels:
    """A part as it comes: with the fixture's play, and light that is 10 % off and not even."""
    light, tilt = np.random.default_rng([seed, 8]).uniform([0.9, -0.1], [1.1, 0.1])
    drawn = drawing(HEIGHT, WIDTH, defect=defect, variant=variant)
    return seen(drawn, play(seed), seed=seed, light=light, tilt=tilt)


def picture(seed: int, *, name: str = "", pixels: Pixels | None = None) -> Picture:
    shown = frame(seed) if pixels is None else pixels
    sample = Sample(name or f"{seed}.png", Path("x"), str(seed))
    return Picture(sample, shown, np.zeros(shown.shape[:2], np.uint8))


def task(good: int = 12, held_back: int = 6, channels: int = 1, **template: object) -> TrainingTask:
    recipe = load_recipe("template")
    told = recipe.template.model_dump() | template
    return TrainingTask(
        pictures=tuple(picture(seed) for seed in range(good)),
        held_back=tuple(picture(seed) for seed in range(100, 100 + held_back)),
        kinds=(),
        channels=channels,
        recipe=recipe.model_copy(update={"template": TemplateRecipe.model_validate(told)}),
        checkpoint=Path("unused"),
    )


def file_of(some: TrainingTask) -> TemplateFile:
    trained = train_template(some).detector
    assert isinstance(trained, FileDetector)
    return parse_template(trained.data)


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    trained = METHODS["template"].train(task()).detector
    assert isinstance(trained, FileDetector)
    kinds = (KindManifest(name="flaw"),)
    # What good parts alone lead to (models/evaluation/threshold.py): just above the worst of them.
    chain = ChainManifest(threshold=GOOD_SEVERITY + 0.1)
    return Inspector(trained.detector(1), SingleKindClassifier(kinds), chain, kinds, lambda: 0)


def rejects(inspector: Inspector, pixels: Pixels) -> bool:
    return inspector.inspect(Frame(1, 1, 0, 0, pixels)).decision is Decision.REJECT


def test_separates_good_parts_from_defective_ones(inspector: Inspector) -> None:
    assert not any(rejects(inspector, frame(seed)) for seed in range(200, 212))
    for defect in DEFECTS:
        assert all(rejects(inspector, frame(seed, defect)) for seed in range(300, 304)), defect


@pytest.mark.parametrize("name", [*CHANGES, "rotation"])
def test_bears_what_a_line_does_to_a_picture(inspector: Inspector, name: str) -> None:
    """Of 8 good parts and 8 defective ones at least 14 keep their verdict."""

    def turned(pixels: Pixels) -> Pixels:
        turn = cv2.getRotationMatrix2D(((WIDTH - 1) / 2, (HEIGHT - 1) / 2), 2.0, 1.0)
        return np.asarray(
            cv2.warpAffine(pixels, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE), np.uint8
        )

    change = turned if name == "rotation" else CHANGES[name]
    kept = [not rejects(inspector, change(frame(seed))) for seed in range(200, 208)]
    kept += [rejects(inspector, change(frame(400 + n, DEFECTS[n % 3]))) for n in range(8)]
    assert sum(kept) >= 14, kept


def test_rejects_what_is_covered(inspector: Inspector) -> None:
    assert all(rejects(inspector, occlude(frame(seed))) for seed in range(200, 208))


def test_the_scale_is_that_of_held_back_good_parts() -> None:
    """Their worst is at 4, where it is more than the four spreads that are granted."""
    some = task(noise_grey=0.25, edge_px=0.0, tolerance_px=0)
    detector = train_template(some).detector
    assert isinstance(detector, FileDetector)
    reader = detector.detector(1)
    peaks = [reader.detect(each.pixels).peak() for each in some.held_back]
    assert max(peaks) == pytest.approx(GOOD_SEVERITY, abs=0.05)
    assert file_of(task()).header.unit == pytest.approx(4.0 / GOOD_SEVERITY)


def test_one_good_part_is_enough() -> None:
    some = replace(task(good=1), held_back=())
    detector = train_template(some).detector
    assert isinstance(detector, FileDetector)
    reader = detector.detector(1)
    for defect in DEFECTS:
        assert reader.detect(frame(5, defect)).peak() > 1.5 * reader.detect(frame(5)).peak()


def test_a_spread_is_learnt_where_good_parts_differ() -> None:
    """A label of any brightness at one place: 12 parts teach it, 2 do not, and elsewhere the
    spread stays that of noise."""

    def labelled(seed: int) -> Pixels:
        pixels = seen(drawing(HEIGHT, WIDTH), seed=seed, noise=1.0)
        pixels[140:160, 60:100] = np.random.default_rng(seed).integers(90, 250)
        return pixels

    many = make_reference([labelled(seed) for seed in range(12)], TemplateRecipe())
    assert many.spread[150, 80] * SPREAD_STEP > 20.0
    assert many.spread[120, 40] * SPREAD_STEP < 3.0
    one = make_reference([labelled(0)], TemplateRecipe())
    assert one.spread[150, 80] * SPREAD_STEP == pytest.approx(2.0, abs=0.2)


def test_noise_grey_and_edge_px() -> None:
    """Of one picture the spread is the noise, and at an edge its slope times edge_px besides."""
    step = np.full((64, 64), 50, np.uint8)
    step[:, 32:] = 150
    told = {"noise_grey": 3.0, "edge_px": 0.0}
    flat = make_reference([step], TemplateRecipe.model_validate(told)).spread * SPREAD_STEP
    assert (flat == 3.0).all()
    told["edge_px"] = 0.5
    edged = make_reference([step], TemplateRecipe.model_validate(told)).spread * SPREAD_STEP
    assert edged[30, 5] == 3.0
    # The slope of a step of 100 that a Gaussian of 1 px makes soft is 34 grey levels a pixel.
    assert edged[30, 31] == pytest.approx(17.0, abs=1.5)


def test_references() -> None:
    """Two prints on one line: with one golden image each is a defect of the other, with two not."""
    pixels = [frame(seed, variant=seed % 2) for seed in range(8)]
    both = make_template(pixels, TemplateRecipe(references=2, combine="minimum"))
    prints = [seen(drawing(HEIGHT, WIDTH, variant=v), noise=0.0) for v in (0, 1)]
    near = [
        [float(cv2.absdiff(reference.pixels, each).mean()) for each in prints]
        for reference in both.references
    ]
    assert sorted(int(np.argmin(each)) for each in near) == [0, 1]
    assert (both.header.references, both.header.combine) == (2, "minimum")


def test_what_the_file_takes_from_the_recipe() -> None:
    told = {
        "registration": False,
        "max_rotation_deg": 2.0,
        "max_shift_share": 0.1,
        "max_scale": 0.01,
        "min_match": 0.3,
        "illumination": False,
        "tolerance_px": 2,
        "smooth_px": 5,
        "noise_limit": 1.5,
    }
    plain = make_template([frame(0)], TemplateRecipe.model_validate(told)).header.model_dump()
    assert plain["max_shift_px"] == pytest.approx(25.6)
    assert {key: plain[key] for key in told if key in plain} == {
        key: value for key, value in told.items() if key != "max_shift_share"
    }


def test_colour() -> None:
    some = task(good=3, held_back=2, channels=3)
    coloured = [
        tuple(replace(p, pixels=cv2.cvtColor(p.pixels, cv2.COLOR_GRAY2BGR)) for p in side)
        for side in (some.pictures, some.held_back)
    ]
    file = file_of(replace(some, pictures=coloured[0], held_back=coloured[1]))
    assert file.header.channels == 3
    assert file.references[0].pixels.shape == (HEIGHT, WIDTH, 3)


def test_held_back_parts_that_do_not_match_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    stranger = picture(1, name="stranger.png", pixels=np.full((HEIGHT, WIDTH), 90, np.uint8))
    some = task(good=3, held_back=1)
    with caplog.at_level(logging.WARNING):
        train_template(replace(some, held_back=(*some.held_back, stranger)))
    assert "template-unmatched picture=stranger.png: does not match" in caplog.text
    with pytest.raises(DataError, match="no good part that is held back matches the golden image"):
        train_template(replace(some, held_back=(stranger,)))


def test_without_a_good_part_held_back_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        train_template(replace(task(good=3), held_back=()))
    assert "template-scale: no good part is held back" in caplog.text


def test_what_cannot_be_learnt_from_is_one_line() -> None:
    other = picture(1, pixels=seen(drawing(HEIGHT, WIDTH + 40)))
    some = task(good=2)
    with pytest.raises(DataError, match=r"several sizes \(256×192, 296×192\); expected one, the"):
        train_template(replace(some, pictures=(*some.pictures, other)))
    with pytest.raises(DataError, match=r"references is 3; expected at most the number .*, 2"):
        train_template(task(good=2, references=3))
    blank = picture(1, pixels=np.full((HEIGHT, WIDTH), 90, np.uint8))
    with pytest.raises(DataError, match="the golden image has too few edges"):
        train_template(replace(some, pictures=(blank,)))
    bad = replace(some.pictures[0], sample=replace(some.pictures[0].sample, kinds=("flaw",)))
    with pytest.raises(DataError, match="no picture of a good part to learn from"):
        train_template(replace(some, pictures=(bad,)))


def test_the_same_parts_give_the_same_bytes() -> None:
    one, other = (train_template(task(good=4, held_back=2)).detector for _ in range(2))
    assert one == other


def test_the_recipe_is_for_this_method() -> None:
    recipe = load_recipe("template")
    assert isinstance(recipe, Recipe)
    assert recipe.method == "template"
    assert METHODS[recipe.method].good_only


def test_lie_is_where_the_golden_image_lies_in_the_middle() -> None:
    """Parts that lie 6 px to either side: the golden image is of one that lies between."""
    pixels = [
        seen(drawing(HEIGHT, WIDTH), Lie(x, 0.0), seed=0) for x in (-6.0, 6.0, 0.0, -5.0, 5.0)
    ]
    golden = make_template(pixels, TemplateRecipe()).references[0].pixels
    centred = seen(drawing(HEIGHT, WIDTH), noise=0.0)
    assert float(cv2.absdiff(golden, centred).mean()) < 2.0
