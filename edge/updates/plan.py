"""A plan of desired states for many stations, and its signature on the machine of a person.

The central system writes the plan of a rollout. `outfeed bundle assign` makes one desired state for
each station of it, and signs them all with an operator key. The central system takes them back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import OutfeedError
from edge.updates.desired import (
    MAX_LIFE_S,
    DesiredBody,
    DesiredBundle,
    ProbationLimits,
    ShadowLimits,
    SignedDesired,
    co_sign,
    sign_desired,
)
from edge.validation_messages import describe

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_STATIONS = 2_000
"""Most stations of one plan."""

MAX_DAYS = MAX_LIFE_S // 86_400 - 1
"""One day below the limit of stations, because clocks differ."""

MAX_FILE_BYTES = 32 << 20
"""A longer file is refused."""

_US = 1_000_000
_Model = TypeVar("_Model", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlannedStation(_Part):
    """A station of a plan, with the plant and line that its desired state names."""

    station: str
    plant: str = ""
    line: str = ""


class RolloutPlan(_Part):
    """The desired states that a person is to sign.

    rollout: its number at the central system; 0: there is none. bundle_id: for people. bundle:
    None: the stations stay with their accepted bundle. days: the life of the desired states.
    """

    type: Literal["outfeed.rollout-plan/1"] = "outfeed.rollout-plan/1"
    rollout: Annotated[int, Field(ge=0)] = 0
    bundle_id: str = ""
    bundle: DesiredBundle | None = None
    stations: Annotated[tuple[PlannedStation, ...], Field(min_length=1, max_length=MAX_STATIONS)]
    shadow: ShadowLimits = ShadowLimits()
    probation: ProbationLimits = ProbationLimits()
    allow_downgrade: bool = False
    days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = 30
    note: Annotated[str, Field(max_length=200)] = ""


class SignedRollout(_Part):
    """The signed desired states of a plan."""

    type: Literal["outfeed.signed-rollout/1"] = "outfeed.signed-rollout/1"
    rollout: Annotated[int, Field(ge=0)] = 0
    statements: Annotated[tuple[SignedDesired, ...], Field(min_length=1, max_length=MAX_STATIONS)]


def sign_plan(plan: RolloutPlan, key: Ed25519PrivateKey, now_us: int) -> SignedRollout:
    """Return the signed desired states of all stations. now_us: becomes their revision.

    Raises OutfeedError with one line for a plan that names a station twice or wrongly.
    """
    names = [each.station for each in plan.stations]
    if len(set(names)) < len(names):
        raise OutfeedError("the plan names a station twice")
    statements = tuple(sign_desired(_body(plan, each, now_us), key) for each in plan.stations)
    return SignedRollout(rollout=plan.rollout, statements=statements)


def add_signature(signed: SignedRollout, key: Ed25519PrivateKey) -> SignedRollout:
    """Return the desired states with the signatures of another key. Raises OutfeedError."""
    statements = tuple(co_sign(each, key) for each in signed.statements)
    return signed.model_copy(update={"statements": statements})


def read_plan(data: str | bytes) -> RolloutPlan:
    """Return the plan in a file. Raises OutfeedError with one line."""
    return _read(RolloutPlan, data, "not a plan of a rollout")


def read_signed_rollout(data: str | bytes) -> SignedRollout:
    """Return the signed desired states in a file. Raises OutfeedError with one line."""
    return _read(SignedRollout, data, "not the output of `outfeed bundle assign`")


def _body(plan: RolloutPlan, station: PlannedStation, now_us: int) -> DesiredBody:
    try:
        return DesiredBody(
            plant=station.plant,
            line=station.line,
            station=station.station,
            revision=now_us,
            expires=now_us // _US + plan.days * 86_400,
            bundle=plan.bundle,
            shadow=plan.shadow,
            probation=plan.probation,
            allow_downgrade=plan.allow_downgrade,
            note=plan.note,
        )
    except ValidationError as error:
        raise OutfeedError(f"station {station.station!r}: {describe(error)}") from error


def _read(model: type[_Model], data: str | bytes, what: str) -> _Model:
    if len(data) > MAX_FILE_BYTES:
        raise OutfeedError(f"{what}: it has more than {MAX_FILE_BYTES >> 20} MiB")
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise OutfeedError(f"{what}: {describe(error)}") from error
