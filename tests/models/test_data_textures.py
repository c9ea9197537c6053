"""Generated specimens: the same by seed, masks that are exact, and the command that writes them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import textures
from models.data.layouts import open_dataset
from models.data.texture_defects import TEXTURE_DEFECTS, TextureDefect
from models.data.texture_surfaces import SURFACES, smooth, streaks
from models.data.textures import KINDS, TEXTURES, TextureSpecimen, main, specimen


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def same(first: TextureSpecimen, second: TextureSpecimen) -> bool:
    return (
        np.array_equal(first.image, second.image)
        and np.array_equal(first.kind_map, second.kind_map)
        and (first.kind, first.texture) == (second.kind, second.texture)
    )


def test_kinds_and_textures() -> None:
    assert KINDS == ("crack", "scratch", "scuff", "spot", "stain")
    assert TEXTURES == ("brushed", "grain", "leather", "speckled", "turned", "woven")


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    index=st.integers(0, 10**6),
    height=st.integers(32, 150),
    width=st.integers(32, 150),
)
def test_any_specimen_is_well_formed_and_repeats(
    seed: int, index: int, height: int, width: int
) -> None:
    made = specimen(seed, index, (height, width), defective=0.7)
    assert made.image.shape == made.kind_map.shape == (height, width)
    assert made.image.dtype == made.kind_map.dtype == np.uint8
    assert made.texture in TEXTURES
    numbers = set(np.unique(made.kind_map)) - {0}
    assert numbers == ({KINDS.index(made.kind) + 1} if made.kind else set())
    assert same(made, specimen(seed, index, (height, width), defective=0.7))


def test_a_specimen_does_not_depend_on_others() -> None:
    forwards = [specimen(3, index, (64, 64)) for index in range(6)]
    backwards = [specimen(3, index, (64, 64)) for index in reversed(range(6))][::-1]
    assert all(same(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not same(forwards[0], specimen(4, 0, (64, 64)))
    assert not np.array_equal(forwards[0].image, forwards[1].image)


def test_every_texture_kind_and_share_turn_up() -> None:
    made = [specimen(8, index, (48, 48)) for index in range(300)]
    assert {item.texture for item in made} == set(TEXTURES)
    assert {item.kind for item in made} == {None, *KINDS}
    share = sum(item.kind is not None for item in made) / len(made)
    assert 0.3 < share < 0.5
    assert all(specimen(8, i, (48, 48), defective=0.0).kind is None for i in range(20))
    assert all(specimen(8, i, (48, 48), defective=1.0).kind for i in range(20))


@pytest.mark.parametrize("texture", TEXTURES)
def test_a_texture_can_be_asked_for(texture: str) -> None:
    made = specimen(1, 0, (96, 128), texture=texture, defective=0.0)
    assert made.texture == texture
    assert 60 < made.image.mean() < 190
    assert 5 < made.image.std() < 40
    assert np.count_nonzero((made.image == 0) | (made.image == 255)) < 100


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("texture", TEXTURES)
def test_masks_are_exact(kind: str, texture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without noise, what lies outside the mask is altered by less than the rule allows."""
    monkeypatch.setattr(textures, "_sensed", lambda exposed, rng: np.clip(exposed, 0, 255))
    monkeypatch.setattr(textures, "KINDS", (kind,))
    for index in range(4):
        flawed = specimen(2, index, (160, 160), defective=1.0, texture=texture)
        with monkeypatch.context() as sound:
            sound.setitem(
                TEXTURE_DEFECTS,  # type: ignore[arg-type]
                kind,
                lambda rng, surface, strength: TextureDefect(surface, np.ones(surface.shape, bool)),
            )
            clean = specimen(2, index, (160, 160), defective=1.0, texture=texture)
        change = np.abs(flawed.image.astype(float) - clean.image)
        inside = flawed.kind_map > 0
        assert np.count_nonzero(inside) >= textures.LEAST_MASK_PX
        if kind == "scuff":  # it replaces the texture: its extent is the mask
            assert change[inside].mean() > 3 * change[~inside].mean()
            continue
        edge = max(textures.PERCEPTIBLE_GREY, textures.PERCEPTIBLE_SHARE * change.max())
        assert change[inside].min() >= edge - 1e-3
        assert change[~inside].max() < edge + 1e-3


def test_contrasts_run_from_faint_to_strong() -> None:
    contrasts = []
    for index in range(120):
        made = specimen(6, index, (128, 128), defective=1.0, texture="speckled")
        if made.kind in ("spot", "crack"):
            inside = made.kind_map > 0
            contrasts.append(abs(made.image[inside].mean() - np.median(made.image[~inside])))
    assert np.percentile(contrasts, 10) < 22
    assert np.percentile(contrasts, 90) > 40


def test_sizes_run_from_a_few_pixels_to_eighty() -> None:
    spans = []
    for index in range(150):
        rows, cols = np.nonzero(specimen(7, index, defective=1.0, texture="grain").kind_map)
        spans.append(max(np.ptp(rows), np.ptp(cols)) + 1)
    assert min(spans) <= 8
    assert 60 <= max(spans) <= 130


def test_smooth_noise_has_its_scale_and_streaks_their_direction() -> None:
    noise = smooth(rng(), 200, 200, 20.0)
    assert 0.6 < noise.std() < 1.4
    assert np.abs(np.diff(noise, axis=1)).mean() < 0.2
    along = streaks(rng(), 128, 128, 31, 0.0)
    assert np.abs(np.diff(along, axis=1)).mean() < 0.3 * np.abs(np.diff(along, axis=0)).mean()


@pytest.mark.parametrize(
    ("size", "texture", "expected"),
    [((31, 64), None, "32 px or more"), ((64, 64), "marble", "expected one of brushed")],
)
def test_wrong_requests(size: tuple[int, int], texture: str | None, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        specimen(0, 0, size, texture=texture)
    with pytest.raises(ValueError, match="non-negative"):
        specimen(-1, 0)


def test_fast_enough() -> None:
    times_ms = {}
    for texture in SURFACES:
        runs = []
        for index in range(4):
            start = time.process_time()  # other tests run beside this one
            specimen(5, index, texture=texture, defective=1.0)
            runs.append((time.process_time() - start) * 1e3)
        times_ms[texture] = min(runs)
    assert max(times_ms.values()) < 15.0, times_ms


def test_the_command_writes_what_the_generic_layout_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "demo"
    arguments = ["--out", str(out), "--count", "30", "--seed", "4", "--size", "64"]
    assert main([*arguments, "--defective", "0.6"]) == 0
    dataset = open_dataset(out)
    assert dataset.channels == 1
    assert dataset.kinds == KINDS
    assert [s.name for s in dataset.samples] == [f"images/{i:05d}.png" for i in range(30)]
    for index, sample in enumerate(dataset.samples):
        made = specimen(4, index, (64, 64), defective=0.6)
        image, kind_map = dataset.load_pair(sample)
        np.testing.assert_array_equal(image, made.image)
        np.testing.assert_array_equal(kind_map, made.kind_map)
    assert [path.name for path in out.parent.iterdir()] == ["demo"]

    capsys.readouterr()
    assert main(arguments) == 2
    assert "is not empty; expected a new one, or --force" in capsys.readouterr().err
    assert len(open_dataset(out).samples) == 30
    assert main([*arguments, "--force", "--count", "5", "--texture", "woven"]) == 0
    assert len(open_dataset(out).samples) == 5
    assert [path.name for path in out.parent.iterdir()] == ["demo"]


def test_force_spares_a_folder_that_holds_other_things(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    arguments = ["--out", str(tmp_path), "--count", "1", "--seed", "1", "--force"]
    assert main(arguments) == 2
    assert "holds other files" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "demo").write_text("a file")
    assert main(["--out", str(tmp_path / "demo"), "--count", "1", "--seed", "1"]) == 1
    assert "demo: cannot be written (Not a directory)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--count", "0"), ("--seed", "-1"), ("--size", "16"), ("--defective", "1.5")],
)
def test_wrong_usage(
    tmp_path: Path, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(tmp_path / "x"), "--count", "1", "--seed", "1", option, value]
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert f"{option} is {value}" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
