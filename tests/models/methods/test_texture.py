"""The texture method: trained on good pictures, it finds what is strange, on torch and on ONNX."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install scikit-learn")
import torch

from edge.bundle import DetectorManifest
from edge.chain.detect import RegressionDetector
from edge.engines.ort import OrtEngine
from edge.errors import BundleError
from export.float_onnx import Tail, export_float, station_graph
from models.data.dataset import DataError, Sample
from models.methods.base import GOOD_SEVERITY, TrainingTask
from models.methods.recipe import TextureRecipe
from models.methods.registry import METHODS
from models.methods.texture import outliers as fitted
from models.methods.texture.network import TextureDetector
from models.methods.texture.outlier_network import IsolationForest
from models.networks import normalise
from models.training.detector import severity_map
from models.training.patches import Picture
from models.training.recipe import Recipe, as_toml, load_recipe

METHOD = METHODS["texture"]
SMALL: dict[str, Any] = {"components": 8, "blocks": 1000, "trees": 20, "samples": 64}
SIDE_PX = 96
# A forest separates the defect from the rim of a picture only where blocks are compared with those
# of all good parts (decision 29); the support vector machine does so as it is shipped.
MODELS: dict[str, dict[str, Any]] = {
    "forest": {"model": "forest", "compare": "good", "features": ["gradient", "grey"]},
    "svm": {"model": "svm"},
}


def picture(number: int, *, defect: bool = False, channels: int = 1) -> Picture:
    """Cloth of 6 px threads under light that differs by picture; the defect is torn."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    cloth = 30 * np.sin(y * np.pi / 3) * np.sin(x * np.pi / 3) + rng.integers(90, 160)
    cloth = cloth[:, :, None] + rng.normal(0, 4, (SIDE_PX, SIDE_PX, channels))
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    if defect:
        mask[40:64, 32:56] = 1
        cloth[mask > 0] += rng.normal(0, 30, ((mask > 0).sum(), channels))
    pixels = cloth.clip(0, 255).astype(np.uint8)
    pixels = pixels[:, :, 0] if channels == 1 else pixels
    kinds = ("hole",) if defect else ()
    sample = Sample(f"{number}", Path(f"{number}.png"), kinds=kinds, group=f"{number}", masks=())
    return Picture(sample, pixels, mask)


def task(channels: int = 1, seed: int = 0, **options: Any) -> TrainingTask:
    recipe = Recipe.model_validate(
        {"name": "t", "method": "texture", "seed": seed, "texture": SMALL | options}
    )
    pictures = tuple(picture(n, channels=channels) for n in range(8))
    held_back = tuple(picture(n, channels=channels) for n in range(20, 24))
    return TrainingTask(pictures, held_back, (), channels, recipe, Path("nowhere"))


def trained(channels: int = 1, seed: int = 0, **options: Any) -> TextureDetector:
    network = METHOD.train(task(channels, seed, **options)).detector
    assert isinstance(network, TextureDetector)
    return network


@dataclass(frozen=True)
class Exported:
    """A trained network with what a station would run, and scikit-learn's model behind it."""

    network: TextureDetector
    sklearn: Any
    onnx: bytes


@pytest.fixture(scope="module", params=["forest", "svm"])
def exported(request: pytest.FixtureRequest) -> Exported:
    models: list[Any] = []
    name = "read_forest" if request.param == "forest" else "read_support"
    read = getattr(fitted, name)

    def remember(model: Any) -> Any:
        models.append(model)
        return read(model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitted, name, remember)
        network = trained(**MODELS[request.param])
    graph = station_graph(export_float(network, 1), Tail(network.logistic, network.shuffle))
    return Exported(network, models[0], graph.SerializeToString())


def on_station(model: bytes, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Severity, 0 to 12, by ONNX Runtime."""
    height, width = pixels.shape
    engine = OrtEngine(model, batch=1, height=height, width=width, channels=1)
    engine.input[0, :, :, 0] = pixels
    return np.asarray(engine.run()[0, 0] * 12, np.float32)


def test_a_station_computes_what_torch_computes(exported: Exported) -> None:
    for number in (30, 31):
        pixels = picture(number, defect=number == 31).pixels
        found = on_station(exported.onnx, pixels)
        assert found == pytest.approx(severity_map(exported.network, pixels), abs=1e-4)
    assert found.max() > GOOD_SEVERITY


def test_a_station_computes_what_scikit_learn_computes(exported: Exported) -> None:
    """Severity back to the model's own score, against its decision function: within 1e-5."""
    network, model = exported.network, exported.sklearn
    pixels = picture(31, defect=True).pixels
    severity = on_station(exported.onnx, pixels).astype(np.float64)
    score = severity * float(network.unit) + float(network.base)
    with torch.no_grad():
        reduced = network.reduction(
            network.features(normalise(torch.from_numpy(pixels)[None, None]))
        )
    vectors = reduced[0].flatten(1).T.numpy()
    decision = model.decision_function(vectors).reshape(severity.shape)
    seen = (severity > 0) & (severity < 12)  # the rest is cut off by the exported graph
    assert seen.sum() > 20
    if isinstance(network.novelty, IsolationForest):
        wanted = -decision - model.offset_
    else:
        wanted = np.log(model.offset_[0]) - np.log(decision + model.offset_[0])
    assert score[seen] == pytest.approx(wanted[seen], abs=1e-5)


def test_the_defect_is_the_worst_and_good_parts_stay_below(exported: Exported) -> None:
    severity = severity_map(exported.network, picture(31, defect=True).pixels)
    row, col = np.unravel_index(severity.argmax(), severity.shape)
    assert 40 <= row * 8 + 4 < 64
    assert 32 <= col * 8 + 4 < 56
    good = [severity_map(exported.network, picture(n).pixels).max() for n in range(40, 46)]
    assert severity.max() > 1.2 * max(good)
    held_back = [severity_map(exported.network, p.pixels).max() for p in task().held_back]
    assert max(held_back) == pytest.approx(GOOD_SEVERITY, abs=1e-3)


def test_weights_are_read_into_an_untrained_network(exported: Exported) -> None:
    name = "forest" if isinstance(exported.network.novelty, IsolationForest) else "svm"
    assert METHOD.build is not None
    fresh = METHOD.build(task(**MODELS[name]).recipe, 1)
    fresh.load_state_dict(exported.network.state_dict())
    pixels = picture(31, defect=True).pixels
    assert np.array_equal(
        severity_map(fresh.eval(), pixels), severity_map(exported.network, pixels)
    )


def test_the_whole_chain_takes_frames_of_any_size(exported: Exported) -> None:
    """Smaller than a block, no multiple of a cell, as large as several runs."""
    manifest = DetectorManifest(
        kind="texture",
        network="texture",
        channels=1,
        height=64,
        width=64,
        overlap_px=0,
        multiple_px=8,
        stride_px=8,
    )

    def shaped(height: int, width: int) -> OrtEngine:
        return OrtEngine(exported.onnx, batch=1, height=height, width=width, channels=1)

    detector = RegressionDetector(shaped(64, 64), manifest, scale=12.0, shaped=shaped)
    for height, width in ((16, 17), (61, 90), (96, 96)):
        pixels = np.ascontiguousarray(picture(31, defect=True).pixels[:height, :width])
        found = detector.detect(pixels).values
        assert found.shape == (-(-height // 8), -(-width // 8))
        assert found * 12 == pytest.approx(severity_map(exported.network, pixels), abs=1e-4)


def test_openvino_says_in_one_line_what_it_cannot_read(exported: Exported) -> None:
    openvino = pytest.importorskip(
        "edge.engines.openvino", reason="openvino is not installed: pip install openvino"
    )

    def load() -> None:
        openvino.OpenVinoEngine(exported.onnx, batch=1, height=96, width=96, channels=1)

    if not isinstance(exported.network.novelty, IsolationForest):
        load()  # no operator of another domain
        return
    with pytest.raises(BundleError, match="TreeEnsembleRegressor") as caught:
        load()
    assert "\n" not in str(caught.value)


def test_constant_and_black_pictures_have_a_severity(exported: Exported) -> None:
    for level in (0, 128, 255):
        found = on_station(exported.onnx, np.full((64, 64), level, np.uint8))
        assert np.isfinite(found).all()
        assert np.ptp(found) < 1e-3


def test_the_seed_alone_decides() -> None:
    first, again, other = (trained(seed=seed, model="forest") for seed in (3, 3, 4))
    assert first.state_dict().keys() == again.state_dict().keys()
    for name, values in first.state_dict().items():
        assert torch.equal(values, again.state_dict()[name]), name
    assert not torch.equal(first.unit, other.unit)


@pytest.mark.parametrize(
    "options",
    [
        {"block_px": 40},
        {"block_px": 12, "step_px": 4},
        {"features": ["patterns"]},
        {"features": ["gradient", "grey", "level"]},
        {"points": 16},
        {"radii_px": [1, 3]},
        {"margin": 0.0},
        {"compare": "good"},
        {"components": 3},
        {"components": 0.9},
        {"blocks": 200},
        {"nu": 0.2},
        {"gamma": 2.0},
        {"smooth_cells": 3},
        {"model": "forest"},
        {"model": "forest", "trees": 3},
        {"model": "forest", "samples": 16},
    ],
)
def test_every_option_changes_the_map(options: dict[str, Any]) -> None:
    same = {key: options[key] for key in ("model",) if key in options and len(options) > 1}
    plain, changed = trained(**same), trained(**options)
    pixels = picture(31, defect=True).pixels
    maps = [severity_map(network, pixels) for network in (plain, changed)]
    assert maps[1].shape == (SIDE_PX // changed.stride_px,) * 2
    assert maps[0].shape != maps[1].shape or np.abs(maps[0] - maps[1]).max() > 0.01
    assert maps[1].max() > GOOD_SEVERITY / 2


def test_components_are_a_count_or_a_share() -> None:
    assert len(trained(components=3).reduction.components) == 3
    few, many = (len(trained(components=share).reduction.components) for share in (0.5, 0.999))
    assert few < many
    network = trained(components=200)
    assert len(network.reduction.components) == network.features.count


def test_colour_as_grey_or_each_channel_apart() -> None:
    grey, each = (trained(channels=3, colour=colour) for colour in ("grey", "each"))
    assert each.features.count == 3 * grey.features.count
    pixels = picture(31, channels=3).pixels.copy()
    pixels[32:72, 24:64, 0] = 110  # the blue channel alone loses its threads
    planes = normalise(torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()))
    seen = [float(network(planes).max()) for network in (grey, each)]
    assert seen[1] > 1.5 * seen[0]


def test_no_good_part_is_one_line() -> None:
    bad = tuple(picture(n, defect=True) for n in range(3))
    with pytest.raises(DataError, match="no training picture shows a good part"):
        METHOD.train(replace(task(), pictures=bad))


def test_good_parts_without_any_texture_are_one_line() -> None:
    flat = tuple(
        replace(p, pixels=np.full((64, 64), 90, np.uint8), kind_map=np.zeros((64, 64), np.uint8))
        for p in task().pictures
    )
    with pytest.raises(DataError, match="every block of the good parts is the same"):
        METHOD.train(replace(task(), pictures=flat))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"block_px": 16, "step_px": 8}, "odd multiple of step_px, 8"),
        ({"block_px": 20, "step_px": 8}, "odd multiple of step_px, 8"),
        ({"components": 2.5}, "whole number, or a share below 1"),
        ({"features": ["level"]}, "one that describes texture"),
        ({"features": ["colour"]}, "features"),
        ({"radii_px": [0]}, "radii_px"),
        ({"nu": 0.0}, "nu"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    recipe = tmp_path / "wrong.toml"
    lines = [f"{key} = {value}".replace("'", '"') for key, value in options.items()]
    recipe.write_text('name = "wrong"\nmethod = "texture"\n[texture]\n' + "\n".join(lines))
    with pytest.raises(DataError, match="texture") as caught:
        load_recipe(str(recipe))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_shipped_recipe_is_the_default_and_survives_its_own_toml(tmp_path: Path) -> None:
    recipe = load_recipe("texture")
    assert recipe.method == "texture"
    assert recipe.texture == TextureRecipe()
    (tmp_path / "again.toml").write_text(as_toml(recipe))
    assert load_recipe(str(tmp_path / "again.toml")) == recipe
