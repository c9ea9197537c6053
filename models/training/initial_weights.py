"""Where a network begins: with ImageNet's weights, where a recipe says so."""

from __future__ import annotations

from models.data.dataset import DataError
from models.networks import BlockClassifier, DetectorNetwork


def start_from_imagenet(network: DetectorNetwork | BlockClassifier, key: str) -> None:
    """Take over ImageNet's weights. key: the recipe's, for the message.

    Raises DataError where the network or the machine has none.
    """
    try:
        network.load_imagenet()
    except (ImportError, ValueError) as error:
        raise DataError(f"recipe key '{key}': imagenet: {error}") from error
