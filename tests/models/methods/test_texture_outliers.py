"""The layers say of every vector what scikit-learn's own models say."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install scikit-learn")
import torch
from sklearn.ensemble import IsolationForest as SklearnForest
from sklearn.svm import OneClassSVM

from models.methods.texture.outlier_network import IsolationForest, OneClassSupport
from models.methods.texture.outliers import (
    Vectors,
    fit_forest,
    fit_support,
    read_forest,
    read_support,
    usual_depth,
)


def blocks(count: int = 500, size: int = 6) -> Vectors:
    return np.random.default_rng(1).normal(0, 2, (count, size)).astype(np.float32)


def asked(size: int = 6) -> Vectors:
    """Return vectors that are further and further from the usual ones."""
    rng = np.random.default_rng(2)
    spreads = np.linspace(0, 12, 300)[:, None]
    return np.asarray(rng.normal(0, 1, (300, size)) * spreads, np.float32)


def scores(layer: torch.nn.Module, vectors: Vectors) -> Vectors:
    found = layer(torch.from_numpy(vectors))
    assert found.shape == (len(vectors), 1)
    return np.asarray(found.numpy().ravel(), np.float32)


@pytest.mark.parametrize(("trees", "samples"), [(1, 2), (20, 37), (100, 256), (10, 500)])
def test_the_forest_is_scikit_learns(trees: int, samples: int) -> None:
    model = SklearnForest(n_estimators=trees, max_samples=samples, random_state=3).fit(blocks())
    found = scores(read_forest(model), asked())
    assert found == pytest.approx(-model.score_samples(asked()), abs=1e-6)
    assert found + model.offset_ == pytest.approx(-model.decision_function(asked()), abs=1e-6)


def test_a_limit_is_not_crossed_by_rounding() -> None:
    # Vectors that lie on the trees' own limits, in float32: which side, is the limit's to say.
    vectors = np.repeat(np.linspace(0.1, 0.7, 8, dtype=np.float32), 8)[:, None]
    model = SklearnForest(n_estimators=50, max_samples=64, random_state=0).fit(vectors)
    limits = np.concatenate([tree.tree_.threshold for tree in model.estimators_])
    near = limits[limits > 0].astype(np.float32)
    near = np.concatenate([near, np.nextafter(near, np.float32(0)), vectors[:, 0]])
    near = near[:, None]
    assert scores(read_forest(model), near) == pytest.approx(-model.score_samples(near), abs=1e-6)


def test_a_forest_of_equal_vectors_has_no_nodes() -> None:
    model = fit_forest(np.ones((50, 3), np.float32), trees=5, samples=32, seed=0)
    assert scores(model, asked(3)) == pytest.approx(np.full(300, 0.5), abs=1e-6)


def test_the_same_seed_grows_the_same_forest() -> None:
    first, again, other = (
        fit_forest(blocks(), trees=10, samples=64, seed=seed) for seed in (7, 7, 8)
    )
    assert all(torch.equal(a, b) for a, b in zip(first.buffers(), again.buffers(), strict=True))
    assert not np.array_equal(scores(first, asked()), scores(other, asked()))


def test_a_tree_grows_on_no_more_than_there_are() -> None:
    few = fit_forest(blocks(40), trees=3, samples=4096, seed=0)
    assert float(few.usual_depth) == pytest.approx(usual_depth(40))


@pytest.mark.parametrize(("nu", "gamma"), [(0.5, 1.0), (0.05, 0.3), (0.01, 0.05)])
def test_the_support_vector_machine_is_scikit_learns(nu: float, gamma: float) -> None:
    model = OneClassSVM(nu=nu, gamma=gamma / 24).fit(blocks())
    layer = read_support(model)
    found = scores(layer, asked()).astype(np.float64)
    # decision = Σ α k - ρ, and the layer gives log ρ - log Σ α k.
    rho = float(model.offset_[0])
    decision = rho * np.expm1(-found)
    assert decision == pytest.approx(model.decision_function(asked()), abs=1e-5 * max(1.0, rho))
    assert np.array_equal(found > 1e-4, model.decision_function(asked()) < -1e-4 * rho)


def test_far_away_is_further_than_near() -> None:
    layer = fit_support(blocks(), nu=0.05, gamma=1.0)
    far = np.zeros((20, 6), np.float32)
    far[:, 0] = np.arange(20) * 50.0
    found = scores(layer, far)
    assert (np.diff(found) > 0).all()
    assert np.isfinite(found).all()


def test_nu_is_the_share_left_outside_and_gamma_is_in_variances() -> None:
    vectors = blocks()
    for nu in (0.02, 0.2):
        layer = fit_support(vectors, nu=nu, gamma=0.3)
        assert np.mean(scores(layer, vectors) > 0) == pytest.approx(nu, abs=0.02)
    near, wide = (fit_support(vectors * scale, nu=0.1, gamma=0.3) for scale in (1.0, 10.0))
    assert float(near.gamma) == pytest.approx(100 * float(wide.gamma), rel=1e-4)


@pytest.mark.parametrize(
    ("trained", "fresh"),
    [
        (fit_forest(blocks(), trees=7, samples=100, seed=0), IsolationForest()),
        (fit_support(blocks(), nu=0.1, gamma=0.3), OneClassSupport(6)),
    ],
)
def test_what_was_learned_is_read_into_an_untrained_layer(
    trained: torch.nn.Module, fresh: torch.nn.Module
) -> None:
    fresh.load_state_dict(trained.state_dict())
    assert np.array_equal(scores(fresh, asked()), scores(trained, asked()))
