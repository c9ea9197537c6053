"""A GPU that is none: tensors that report the device "meta" and compute on the processor.

An operator refuses tensors of two devices, as CUDA does, so a tensor that training code leaves on
the processor is found without a GPU. The device is called "meta", because a torch without CUDA
refuses every move to "cuda". It does not simulate memory, streams, TensorFloat-32, other rounding,
mixed precision, or the random numbers of a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

GPU = torch.device("meta")
_aten = torch.ops.aten
# CUDA moves data with these, and takes indices of the processor in the others.
_BETWEEN_DEVICES = {_aten.copy_.default, _aten._to_copy.default}
_WITH_INDICES = {_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default}


class PretendTensor(Tensor):
    """A tensor of the pretended GPU. held: its values, on the processor."""

    held: Tensor
    is_meta = False  # a module refuses to load weights into others

    @staticmethod
    def __new__(cls, held: Tensor) -> PretendTensor:
        made = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=GPU,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _compute(func, args, kwargs or {})


class _Everything(TorchDispatchMode):
    """Sends operators here that get no PretendTensor, because they may make one."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return _compute(func, args, kwargs or {})


def _compute(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    pretended = [one for one in given if isinstance(one, PretendTensor)]
    asked = kwargs.get("device")
    kwargs = {name: value for name, value in kwargs.items() if name != "device"}
    if asked is not None:
        kwargs["device"] = torch.device("cpu")
    kwargs.pop("pin_memory", None)
    stray = [one for one in given if not isinstance(one, PretendTensor) and one.dim()]
    indexed = func in _WITH_INDICES and isinstance(args[0], PretendTensor)
    if pretended and stray and func not in _BETWEEN_DEVICES and not indexed:
        raise RuntimeError(f"{func}: expected all tensors on one device, found {GPU} and cpu")
    wrappers = {id(one.held): one for one in pretended}
    result = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    if func is _aten.copy_.default:
        return args[0]
    on_gpu = bool(pretended) if asked is None else torch.device(asked).type == GPU.type
    if not on_gpu:
        return result

    def wrapped(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return wrappers[id(value)] if id(value) in wrappers else PretendTensor(value)

    return tree_map(wrapped, result)


def _held(value: Any) -> Any:
    return value.held if isinstance(value, PretendTensor) else value


@contextmanager
def pretended_gpu() -> Iterator[None]:
    """Make GPU a device that computes while inside."""
    with _Everything():
        yield
