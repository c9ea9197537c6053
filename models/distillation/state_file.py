"""The recognition of a torch state file: which published network its weights belong to."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from models.data.dataset import DataError
from models.distillation.resnet import RESNETS, ResNet
from models.distillation.vision_transformer import GRID, VisionTransformer, from_torchvision

VIT = "vit_base_patch16"
KNOWN = (*RESNETS, VIT)
# A state may be inside a dictionary of a training, and its names may begin with the module's.
_INSIDE = ("state_dict", "model")
_PREFIX = "module."
# Parameters that features do not need: the head of any number of classes, and counters of batches.
_HEAD = ("fc.", "head.", "heads.")
_COUNTER = "num_batches_tracked"
_POSITIONS = "pos_embed"


@dataclass(frozen=True, slots=True)
class PublishedNetwork:
    """A network with the weights of a state file, in eval mode and without gradients.

    architecture: one of KNOWN. network: from pictures to a list of features; it has ``widths`` and
    ``multiple_px``.
    """

    architecture: str
    network: ResNet | VisionTransformer


def read_state(path: Path) -> PublishedNetwork:
    """Return the network of a state file of torchvision or timm.

    The file is read with ``weights_only``, so that it runs no code. Raises DataError, one line, for
    a file that is no state, and for a state of another network.
    """
    state = _tensors(path)
    named = from_torchvision(state)
    needed = _shapes(named)
    for architecture, build in _builders(named).items():
        with torch.device("meta"):
            wanted = _shapes(build().state_dict())
        if wanted == needed:
            network = build()
            network.load_state_dict(_whole(named, network), strict=True)
            return PublishedNetwork(
                architecture, network.eval().requires_grad_(requires_grad=False)
            )
    raise DataError(
        f"{path}: is no state of {', '.join(KNOWN)} with the names of torchvision or timm"
    )


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise DataError(f"{path}: is no file of weights that torch.save wrote") from error
    for name in _INSIDE:
        if isinstance(state, Mapping) and isinstance(state.get(name), Mapping):
            state = state[name]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise DataError(f"{path}: holds no state; expected a dictionary of tensors by name")
    return {str(name).removeprefix(_PREFIX): value for name, value in state.items()}


def _builders(
    state: Mapping[str, Tensor],
) -> dict[str, Callable[[], ResNet | VisionTransformer]]:
    """Return how to build each known network; a transformer with the positions of the state."""
    positions = state.get(_POSITIONS)
    grid = GRID
    if positions is not None and positions.dim() == 3:
        grid = round((positions.shape[1] - 1) ** 0.5)
    builders: dict[str, Callable[[], ResNet | VisionTransformer]] = {
        name: partial(ResNet, sizes) for name, sizes in RESNETS.items()
    }
    return {**builders, VIT: partial(VisionTransformer, max(grid, 1))}


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items() if _matters(name)}


def _matters(name: str) -> bool:
    return not name.startswith(_HEAD) and not name.endswith(_COUNTER)


def _whole(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Return the state of the network, with its own tensors where those of the file do not fit."""
    return {
        name: state[name].float() if _matters(name) else own
        for name, own in network.state_dict().items()
    }
