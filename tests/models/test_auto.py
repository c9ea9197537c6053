"""Settings chosen from the data: each fact changes its setting, and the reason names the number."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from models.data.dataset import DataSet
from models.data.layouts import open_dataset
from models.data.split import split
from models.training import auto
from models.training.auto import (
    LEAST_CLASSIFIER_STEPS,
    LEAST_STEPS,
    choose_recipe,
    choose_split,
    describe,
)
from models.training.patches import load_pictures
from models.training.recipe import Recipe, load_recipe
from tests.support.recipe_choices import BASE, choose, dataset_of, picture, some, warnings, why

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / "../shared/data"


@pytest.fixture(autouse=True)
def _base(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the base recipe of the tests in place of the shipped one."""
    monkeypatch.setattr(auto, "load_recipe", lambda _name: BASE)


def test_area_width_length_and_contrast_are_reported() -> None:
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
    assert choice.recipe.detector.copy_paste_share == share
    assert f"dent is on {parts} training parts" in why(choice, "detector.copy_paste_share")


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
