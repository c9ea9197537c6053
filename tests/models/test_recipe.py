"""Recipes: those that are shipped load, and what is wrong with one is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.data.dataset import DataError
from models.training.recipe import RECIPES, as_toml, load_recipe


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.toml")))
def test_every_shipped_recipe_loads(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert load_recipe(str(RECIPES / f"{name}.toml")) == recipe


def test_the_papers_recipe_is_the_papers() -> None:
    recipe = load_recipe("paper")
    assert recipe.detector.network == "paper"
    assert recipe.detector.resolution == 4
    assert (recipe.detector.patch_px, recipe.augment.step_px) == (256, 64)
    assert recipe.labels.truncate == 500.0
    assert recipe.chain.join_px == 4.0
    assert (recipe.detector.start, recipe.classifier.start) == (None, "imagenet")


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.toml")))
def test_a_written_recipe_is_read_as_it_was(name: str, tmp_path: Path) -> None:
    guided = load_recipe(name).model_copy(update={"guidance": {'a "b"': "größer 😀\n"}})
    (tmp_path / "x.toml").write_text(as_toml(guided), encoding="utf-8")
    assert load_recipe(str(tmp_path / "x.toml")) == guided


def refusal(name_or_path: str) -> str:
    with pytest.raises(DataError) as caught:
        load_recipe(name_or_path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "key 'name' is missing"),
        ("name = 'a'\ncolour = 1", "unknown key 'colour'"),
        ("name = 'a'\n[detector]\nstep = 1", "unknown key 'detector.step'"),
        ("name = 'A b'", "key 'name': string should match"),
        ("name = 'a'\n[detector]\nsteps = 0", "key 'detector.steps': "),
        ("name = 'a'\n[detector]\nsteps = 1.5", "key 'detector.steps': "),
        ("name = 'a'\n[detector]\nsteps = '10'", "key 'detector.steps': "),
        ("name = 'a'\n[detector]\npatch_px = 100", "key 'detector.patch_px': "),
        ("name = 'a'\n[detector]\nresolution = 3", "key 'detector.resolution': "),
        ("name = 'a'\n[detector]\nnetwork = 'unet'", "key 'detector.network': "),
        ("name = 'a'\n[labels]\nfloor = 12", "key 'labels.floor': "),
        ("name = 'a'\n[autoencoder]\nreduction = 3", "key 'autoencoder.reduction': "),
        (
            "name = 'a'\n[autoencoder]\nreduction = 4\ndepth = 4",
            "key 'autoencoder': patch_px is 128; expected a multiple of 256",
        ),
        ("name = 'a'\n[cascade]\nwidth = 20", "key 'cascade.width': "),
        ("name = 'a'\n[augment]\nstep_px = 257", "key 'augment.step_px': "),
        (
            "name = 'a'\n[augment]\nstep_px = 96\n[detector]\npatch_px = 64",
            "augment.step_px is 96; expected at most detector.patch_px, 64",
        ),
        ("name = 'a'\n[augment]\nrotate_deg = -1", "key 'augment.rotate_deg': "),
        ("name = 'a'\n[chain]\nthreshold = 0", "key 'chain.threshold': "),
        ("name = 'a'\n[chain]\nmax_false_rejects = 1.0", "key 'chain.max_false_rejects': "),
        (
            "name = 'a'\n[chain]\nthreshold = 4.0\nmax_false_rejects = 0.1",
            "threshold and max_false_rejects both set T; expected one",
        ),
        ("name = 'a'\n[split]\nvalidation_share = 1", "key 'split.validation_share': "),
        ("name = ", "is not TOML: "),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    line = refusal(str(path))
    assert line.startswith(f"{path}: ")
    assert said in line


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    said = refusal("none-of-ours")
    assert said.startswith("no recipe 'none-of-ours'; there are: ")
    assert "lean" in said
    path = tmp_path / "none.toml"
    assert refusal(str(path)) == f"{path}: cannot be read: No such file or directory"
    path.write_bytes(b"name = '\xff'")
    assert "is not TOML" in refusal(str(path))
