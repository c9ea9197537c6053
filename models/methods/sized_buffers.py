"""Networks whose buffers have the size of the weights that are loaded, and not of the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from models.networks.base import DetectorNetwork

Sizes = Mapping[str, tuple[int, ...]]


class SizedBuffers(DetectorNetwork):
    """A detector that stores as much of the training pictures as there was.

    ``sized``: names of buffers, each with the axes along which loaded weights may have another
    size. Another size along another axis is refused, as in every network.
    """

    sized: ClassVar[Sizes] = {}

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        for name, axes in self.sized.items():
            given, own = state_dict.get(prefix + name), getattr(self, name)
            if isinstance(given, Tensor) and given.dim() == own.dim():
                sides = [given.shape[i] if i in axes else own.shape[i] for i in range(own.dim())]
                setattr(self, name, own.new_empty(sides))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
