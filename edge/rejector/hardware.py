"""The inputs of a rejector beside its station: an encoder and the ejector eye.

Their specifications are passed on the command line as JSON. ``kind`` names the class.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edge.clock import Clock
from edge.devices.encoder import Encoder
from edge.devices.encoder_gpio import GpioEncoder
from edge.devices.gpio import GpioLine
from edge.devices.trigger import Trigger
from edge.devices.trigger_gpio import Bias, GpioTrigger, TriggerSlope
from edge.errors import DeviceError
from edge.sim.driven_belt import BeltPlan, DrivenBelt
from edge.sim.encoder import Channels, SimulatedEncoder
from edge.sim.motion import Drive, DrivenMotion


@dataclass(frozen=True, slots=True)
class SimulatedEncoderSpec:
    """The encoder of a simulated belt."""

    drive: Drive
    channels: Channels = "quadrature"
    survives: bool = True


@dataclass(frozen=True, slots=True)
class SimulatedEyeSpec:
    """The ejector eye of a simulated belt."""

    plan: BeltPlan


@dataclass(frozen=True, slots=True)
class GpioEncoderSpec:
    """An encoder at GPIO lines. Without b it has one channel."""

    a: GpioLine
    b: GpioLine | None = None
    bias: Bias = "as-is"


@dataclass(frozen=True, slots=True)
class GpioEyeSpec:
    """An ejector eye at a GPIO line."""

    where: GpioLine
    slope: TriggerSlope = "rising"
    bias: Bias = "as-is"


EncoderSpec = SimulatedEncoderSpec | GpioEncoderSpec
EyeSpec = SimulatedEyeSpec | GpioEyeSpec


def open_encoder(spec: EncoderSpec, *, clock: Clock) -> Encoder:
    """Open the encoder. Raises DeviceError; ConfigError if libgpiod is needed but not installed."""
    if isinstance(spec, GpioEncoderSpec):
        return GpioEncoder(spec.a, spec.b, clock=clock, bias=spec.bias)
    return SimulatedEncoder(
        DrivenMotion(spec.drive), clock=clock, channels=spec.channels, survives=spec.survives
    )


def open_eye(spec: EyeSpec, *, clock: Clock) -> Trigger:
    """Open the eye. Raises DeviceError; ConfigError if libgpiod is needed but not installed."""
    if isinstance(spec, GpioEyeSpec):
        return GpioTrigger(spec.where, slope=spec.slope, bias=spec.bias)
    return DrivenBelt(spec.plan, clock=clock, ejector=True)


def spec_json(spec: EncoderSpec | EyeSpec) -> dict[str, Any]:
    """Return a specification as a JSON object."""
    return {"kind": type(spec).__name__, **asdict(spec)}


def encoder_spec(data: dict[str, Any]) -> EncoderSpec:
    """Return the encoder's specification from ``spec_json``. Raises DeviceError."""
    data = dict(data)
    kind = data.pop("kind", None)
    if kind == GpioEncoderSpec.__name__:
        b = None if data["b"] is None else GpioLine(**data["b"])
        return GpioEncoderSpec(**{**data, "a": GpioLine(**data["a"]), "b": b})
    if kind != SimulatedEncoderSpec.__name__:
        raise DeviceError(f"rejector: an encoder of unknown kind: {data}")
    return SimulatedEncoderSpec(**{**data, "drive": Drive(**data["drive"])})


def eye_spec(data: dict[str, Any]) -> EyeSpec:
    """Return the eye's specification from ``spec_json``. Raises DeviceError."""
    data = dict(data)
    kind = data.pop("kind", None)
    if kind == GpioEyeSpec.__name__:
        return GpioEyeSpec(**{**data, "where": GpioLine(**data["where"])})
    if kind != SimulatedEyeSpec.__name__:
        raise DeviceError(f"rejector: an eye of unknown kind: {data}")
    plan = dict(data["plan"])
    return SimulatedEyeSpec(BeltPlan(**{**plan, "drive": Drive(**plan["drive"])}))
