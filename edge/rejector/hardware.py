"""What a rejector listens to beside its station: an encoder and the eye before the ejector.

Specifications travel on the command line as JSON; ``kind`` says which class opens them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edge.clock import Clock
from edge.devices.encoder import Encoder
from edge.devices.trigger import Trigger
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
    """The eye before the ejector of a simulated belt."""

    plan: BeltPlan


EncoderSpec = SimulatedEncoderSpec
EyeSpec = SimulatedEyeSpec


def open_encoder(spec: EncoderSpec, *, clock: Clock) -> Encoder:
    """Raises DeviceError."""
    return SimulatedEncoder(
        DrivenMotion(spec.drive), clock=clock, channels=spec.channels, survives=spec.survives
    )


def open_eye(spec: EyeSpec, *, clock: Clock) -> Trigger:
    """Raises DeviceError."""
    return DrivenBelt(spec.plan, clock=clock, ejector=True)


def spec_json(spec: EncoderSpec | EyeSpec) -> dict[str, Any]:
    """A specification as JSON can hold it."""
    return {"kind": type(spec).__name__, **asdict(spec)}


def encoder_spec(data: dict[str, Any]) -> EncoderSpec:
    """The reverse of ``spec_json``. Raises DeviceError."""
    data = dict(data)
    if data.pop("kind", None) != SimulatedEncoderSpec.__name__:
        raise DeviceError(f"rejector: an encoder of unknown kind: {data}")
    return SimulatedEncoderSpec(**{**data, "drive": Drive(**data["drive"])})


def eye_spec(data: dict[str, Any]) -> EyeSpec:
    """The reverse of ``spec_json``. Raises DeviceError."""
    data = dict(data)
    if data.pop("kind", None) != SimulatedEyeSpec.__name__:
        raise DeviceError(f"rejector: an eye of unknown kind: {data}")
    plan = dict(data["plan"])
    return SimulatedEyeSpec(BeltPlan(**{**plan, "drive": Drive(**plan["drive"])}))
