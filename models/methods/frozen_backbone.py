"""The preparation of a pretrained backbone that is not trained further, for int8."""

from __future__ import annotations

from models.data.dataset import DataError
from models.methods.cell_features import input_of
from models.methods.channel_equalisation import equalise, widen
from models.networks.base import DetectorNetwork
from models.networks.efficientnet import EfficientNetLite
from models.training.fit import start_from_imagenet
from models.training.int8_rounding import round_weights
from models.training.patches import Picture

MOST_EQUALISED = 100  # most good pictures for the measurement of channels


def require_good(good: tuple[Picture, ...]) -> None:
    """Raise DataError without a good part."""
    if not good:
        raise DataError("no training picture is of a good part; expected ten or more")


def freeze_backbone(network: DetectorNetwork, good: tuple[Picture, ...]) -> None:
    """Load the weights of ImageNet, and scale and round them as int8 needs it, in place.

    good: pictures of good parts, on which the reach of each channel is measured. Raises DataError
    where the weights are missing. Blocks for two runs of at most MOST_EQUALISED pictures, on the
    network's device.
    """
    start_from_imagenet(network, "method")
    backbone = network.backbone
    assert isinstance(backbone, EfficientNetLite)
    for step in (equalise, widen):
        step(backbone, (input_of(network, p.pixels) for p in good[:MOST_EQUALISED]))
    round_weights(backbone)
    backbone.requires_grad_(False)
