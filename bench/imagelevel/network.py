"""The CNN with dropout of the paper, sections 3 and 4.1, and its training.

The paper names convolution with a bias, tanh, pooling, fully connected layers, and dropout of 0.5.
Its loss is cross entropy (equation 6, called K-L divergence there). It gives no number of layers,
widths, kernel sizes or steps; they are chosen here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from bench.imagelevel.pictures import Labelled, Labels
from bench.imagelevel.settings import ImageLevelSettings
from models.data.dataset import Pixels
from models.networks import normalise
from models.training.fit import Fit, Schedule

WIDTHS = (16, 32, 64, 64)
DROPOUT = 0.5
BATCH = 32
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-2
PREDICT_AT_ONCE = 64


class PictureNetwork(nn.Module):
    """Normalised pixels, float32 N×C×S×S → logits, N×classes. S is a multiple of 32.

    Four stages of convolution, activation and 2×2 max pooling, the first 5×5 with stride 2, the
    others 3×3; the feature layer of `width`; dropout; the classes. 96×96 grey and width 64 are
    7.6 MMAC and 98,000 weights. Max pooling: of the two that the paper names, it keeps small
    defects. Weights start after Glorot & Bengio 2010 (AISTATS), biases at 0.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        size_px: int,
        width: int,
        activation: Literal["tanh", "relu"] = "tanh",
    ) -> None:
        super().__init__()
        bend = {"tanh": nn.Tanh, "relu": nn.ReLU}[activation]
        stages: list[nn.Module] = [nn.Conv2d(channels, WIDTHS[0], 5, 2, 2), bend(), nn.MaxPool2d(2)]
        for before, after in pairwise(WIDTHS):
            stages += [nn.Conv2d(before, after, 3, 1, 1), bend(), nn.MaxPool2d(2)]
        side = size_px // 2 >> len(WIDTHS)
        self.maps = nn.Sequential(*stages, nn.Flatten())
        self.features = nn.Sequential(nn.Linear(WIDTHS[-1] * side * side, width), bend())
        self.dropout = nn.Dropout(DROPOUT)
        self.logits = nn.Linear(width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight, nn.init.calculate_gain(activation))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.dropout(self.features(self.maps(x))))  # type: ignore[no-any-return]


class NetworkClassifier:
    """The trained CNN."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval()

    @torch.no_grad()
    def predict(self, pixels: Pixels) -> Labels:
        """Return int64 N labels of prepared pictures, uint8 N×S×S×C."""
        labels = [
            self._network(network_inputs(pixels[start : start + PREDICT_AT_ONCE])).argmax(1).numpy()
            for start in range(0, len(pixels), PREDICT_AT_ONCE)
        ]
        return np.asarray(np.concatenate(labels), np.int64)


def train_network(
    training: Labelled, classes: int, width: int, settings: ImageLevelSettings, seed: int
) -> NetworkClassifier:
    """Train a CNN whose feature layer has `width` nodes. Blocks for seconds to minutes.

    Deterministic by seed on one machine and number of threads. Raises FloatingPointError when the
    loss stops being a number.
    """
    torch.manual_seed(seed)
    size_px, channels = training.pixels.shape[1], training.pixels.shape[3]
    network = PictureNetwork(channels, classes, size_px, width, settings.activation)
    trained = fit_network(
        network,
        lambda chosen: network_inputs(training.pixels[chosen]),
        training.labels,
        settings.cnn_steps,
        seed,
        f"cnn {width}",
    )
    return NetworkClassifier(trained)


def fit_network(
    network: nn.Module,
    take: Callable[[npt.NDArray[np.int64]], Tensor],
    labels: Labels,
    steps: int,
    seed: int,
    title: str,
) -> nn.Module:
    """Train on `steps` batches, and return the network of the last step in eval mode.

    take: the inputs of the pictures with these indices. Raises FloatingPointError when the loss
    stops being a number.
    """
    # The paper adjusts the learning rate while it trains: warm-up, then a cosine to zero.
    schedule = Schedule(steps, LEARNING_RATE, WEIGHT_DECAY, ema=0.0)

    def batches(first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        for step in range(first, last):
            rng = np.random.default_rng([seed, 2, step])
            chosen = rng.choice(len(labels), min(BATCH, len(labels)), replace=False)
            yield take(chosen), torch.from_numpy(labels[chosen])

    with tempfile.TemporaryDirectory() as folder:  # a comparison is not taken up again
        checkpoint = Path(folder) / "network.ckpt"
        return Fit(network, nn.CrossEntropyLoss(), schedule, checkpoint, title).run(batches)


def network_inputs(pixels: Pixels) -> Tensor:
    """Convert uint8 N×S×S×C to normalised float32 N×C×S×S."""
    return normalise(torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))))
