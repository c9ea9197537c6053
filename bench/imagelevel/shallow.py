"""The four methods on features, SVM, KNN, BP network and MLP, and their features.

The paper names the four (section 4.2.1) and gives neither their features nor their settings. Here
the features are the pixels of the prepared picture, reduced by principal components to the wanted
dimension. Settings are the defaults of scikit-learn except where noted; none was searched for.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from bench.imagelevel.pictures import Labelled, Labels
from bench.imagelevel.settings import ImageLevelSettings, Method
from models.data.dataset import Pixels
from models.networks import PIXEL_SCALE, PIXEL_ZERO_POINT

BP_HIDDEN = (64,)
BP_LEARNING_RATE = 0.05
MLP_HIDDEN = (128, 64)
BATCH = 32

Vectors = npt.NDArray[np.float32]


def vectors(pixels: Pixels) -> Vectors:
    """Convert uint8 N×S×S×C to float32 N×(S·S·C): (pixel - 128) / 64, as for the CNN."""
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    flat -= np.float32(PIXEL_ZERO_POINT)
    flat *= np.float32(PIXEL_SCALE)
    return flat


def most_dimensions(pictures: int, size_px: int, channels: int) -> int:
    """Return the largest number of principal components for so many pictures."""
    return min(pictures, size_px * size_px * channels)


class ShallowClassifier:
    """Features and one of the four methods, trained."""

    def __init__(self, features: Any, model: Any) -> None:
        self._features = features
        self._model = model

    def predict(self, pixels: Pixels) -> Labels:
        """Return int64 N labels of prepared pictures, uint8 N×S×S×C."""
        reduced = self._features.transform(vectors(pixels))
        return np.asarray(self._model.predict(reduced), np.int64)


def train_shallow(
    method: Method, training: Labelled, dimension: int, settings: ImageLevelSettings, seed: int
) -> ShallowClassifier:
    """Fit features, each of mean 0 and variance 1, and the method on them. Blocks for seconds.

    Equal seeds give equal results on one machine. Raises ValueError for a method without features
    and for a dimension above `most_dimensions`.
    """
    features = PCA(dimension, whiten=True, svd_solver="randomized", random_state=seed)
    reduced = features.fit_transform(vectors(training.pixels))
    model = _build(method, len(training.labels), settings, seed)
    with warnings.catch_warnings():
        # The number of epochs is fixed and equal for both networks; convergence is not required.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(reduced, training.labels)
    return ShallowClassifier(features, model)


def _build(method: Method, pictures: int, settings: ImageLevelSettings, seed: int) -> Any:
    all_epochs = {
        "batch_size": min(BATCH, pictures),
        "max_iter": settings.epochs,
        "n_iter_no_change": settings.epochs + 1,
        "random_state": seed,
    }
    if method == "svm":
        return SVC(kernel="rbf", C=1.0, gamma="scale", cache_size=400)
    if method == "knn":
        return KNeighborsClassifier(min(settings.neighbours, pictures))
    if method == "bp":
        # Equation (7): gradient descent at one rate, without momentum or weight decay; tanh is the
        # activation of equation (4).
        return MLPClassifier(
            BP_HIDDEN,
            activation="tanh",
            solver="sgd",
            learning_rate_init=BP_LEARNING_RATE,
            momentum=0.0,
            nesterovs_momentum=False,
            alpha=0.0,
            **all_epochs,
        )
    if method == "mlp":
        return MLPClassifier(MLP_HIDDEN, activation="relu", solver="adam", **all_epochs)
    raise ValueError(f"method '{method}' takes no features; expected svm, knn, bp or mlp")
