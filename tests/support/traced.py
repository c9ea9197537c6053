"""Networks in ONNX, each traced once in a test run: torch takes some ten seconds for one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import pytest

from export import builds
from export.float_onnx import export_float
from export.ladder import untrained
from models.networks import BlockClassifier, DetectorNetwork
from tests.support.shared import shared_bytes


def traced_once(network: DetectorNetwork | BlockClassifier, channels: int) -> onnx.ModelProto:
    """Return what `export_float` does. A network with the same layers and weights is not traced
    again, in no process of the test run."""
    digest = hashlib.sha256(f"{network!r} {channels}".encode())
    for name, values in network.state_dict().items():
        digest.update(name.encode() + values.numpy().tobytes())
    # As export_float leaves it, traced or not.
    network.eval()
    return onnx.ModelProto.FromString(
        shared_bytes(
            f"trace {digest.hexdigest()}",
            lambda: export_float(network, channels).SerializeToString(),
        )
    )


@contextmanager
def traces_shared() -> Iterator[None]:
    """Let exports and the timing of untrained networks in this process use `traced_once`."""
    patch = pytest.MonkeyPatch()
    for module in (builds, untrained):
        patch.setattr(module, "export_float", traced_once)
    try:
        yield
    finally:
        patch.undo()
