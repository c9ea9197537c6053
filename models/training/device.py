"""The device on which networks learn: the processor, or a GPU through CUDA or Apple's MPS.

Networks, batches, losses, averages and checks of a training use it. Pictures are changed on the
processor. T, limits and figures are measured there too, by the station's chain
(docs/decisions/0061).
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

import torch
from torch import Tensor, nn

from edge.errors import UsageError

DeviceKind = Literal["cpu", "cuda", "mps"]
KINDS: tuple[DeviceKind, ...] = get_args(DeviceKind)
AUTO = "auto"
_MACOS_WITH_BFLOAT16 = (14, 0)
_Placed = TypeVar("_Placed", bound=Tensor | nn.Module)


@dataclass(frozen=True, slots=True)
class TrainingDevice:
    """A device, and the precision in which a network learns on it.

    Attributes:
        kind: "cpu", "cuda" or "mps".
        half: type of the convolutions and products in mixed precision: bfloat16 or float16. None
            computes in float32 alone. Weights, averages and losses are always float32.
    """

    kind: DeviceKind = "cpu"
    half: torch.dtype | None = None

    def with_precision(self, precision: str) -> TrainingDevice:
        """Return this device with the precision that a recipe names.

        precision: "float32", "bfloat16", or "auto" for what the device is fast in. A GPU without
        bfloat16 takes its own type in its place.
        """
        if precision == "float32":
            return replace(self, half=None)
        if self.kind != "cpu":
            return self
        return replace(self, half=torch.bfloat16 if wants_bfloat16(precision) else None)

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context in which a network computes in mixed precision, if this device does."""
        return nullcontext() if self.half is None else torch.autocast(self.kind, self.half)

    def scaler(self) -> torch.amp.GradScaler:
        """Return a scaler of the loss, without which small gradients are 0 in float16.

        It changes nothing in another precision.
        """
        return torch.amp.GradScaler(self.kind, enabled=self.half is torch.float16)

    def place(self, value: _Placed) -> _Placed:
        """Return a tensor or a network on this device. A network is moved itself."""
        return cast(_Placed, value.to(self.kind))

    def __str__(self) -> str:
        name = f"cuda ({torch.cuda.get_device_name()})" if self.kind == "cuda" else self.kind
        precision = "float32" if self.half is None else str(self.half).removeprefix("torch.")
        return f"{name}, {precision}"


CPU = TrainingDevice()


def choose_device(name: str = AUTO) -> TrainingDevice:
    """Return the device of a name. "auto" takes CUDA, then MPS, then the processor.

    On a GPU networks learn in mixed precision; what is not in mixed precision is float32 without
    shortening to TensorFloat-32. Raises UsageError for an unknown name, and for a device that torch
    does not see.
    """
    seen = _seen()
    if name == AUTO:
        return _device(seen[0])
    for kind in KINDS:
        if name == kind and kind in seen:
            return _device(kind)
    if name not in KINDS:
        raise UsageError(f"device {name}: expected {AUTO}, {', '.join(KINDS)}")
    raise UsageError(
        f"device {name}: torch {torch.__version__} sees {' and '.join(seen)} only; expected "
        f"{AUTO} or {' or '.join(seen)}, or another build of torch (docs/how-to/train-a-network.md)"
    )


def _seen() -> tuple[DeviceKind, ...]:
    """Return the devices that torch sees, the fastest first."""
    found: list[DeviceKind] = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def _device(kind: DeviceKind) -> TrainingDevice:
    if kind == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        has = torch.cuda.is_bf16_supported(including_emulation=False)
        return TrainingDevice(kind, torch.bfloat16 if has else torch.float16)
    if kind == "mps":
        has = torch.backends.mps.is_macos_or_newer(*_MACOS_WITH_BFLOAT16)
        return TrainingDevice(kind, torch.bfloat16 if has else None)
    return CPU


def device_of(network: nn.Module) -> torch.device:
    """Return the device of a network, all of it on one; the processor if it has no tensor."""
    tensors = chain(network.parameters(), network.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


def on_processor(state: Any) -> Any:
    """Return a state, of nested dicts, lists and tuples, with every tensor on the processor."""
    if isinstance(state, Tensor):
        return state.cpu()
    if isinstance(state, dict):
        return {key: on_processor(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(on_processor(value) for value in state)
    return state


def usable_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no affinity


def wants_bfloat16(precision: str) -> bool:
    """Return true when the processor computes in bfloat16: by the recipe, or if it has it."""
    if precision != "auto":
        return precision == "bfloat16"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
