"""Profiles of boards, estimated from counted instructions, for budgets without a board at hand."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

PROFILES = Path(__file__).with_name("targets.json")
REFERENCE = "lean"  # its ratio to this machine also scales what no profile has
# p99 for each p50 on an idle core (docs/benchmarks/speed.md).
SPREAD = 1.3


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkEstimate(_Part):
    """The whole chain with one network, for a frame without a defect, on one core.

    engine: the faster one of those that were counted. ms: for SIZE×SIZE px.
    """

    engine: str
    ms: float = Field(gt=0)


class TargetProfile(_Part):
    """A board, and the estimated time of each rung on one of its cores.

    title: board and core. ghz: the frequency that is assumed. cores: of the board. error: a real
    time may be so much shorter or longer, as a share of the estimate. region_ms: the classifier for
    one region. networks: by the name of the rung.
    """

    title: str
    ghz: float = Field(gt=0)
    cores: int = Field(ge=1)
    error: float = Field(ge=0, lt=1)
    method: str
    region_ms: float = Field(gt=0)
    networks: dict[str, NetworkEstimate]

    def p50_ms(self, network: str, pixels: int) -> float:
        """Return the estimated time of the chain for a frame with so many pixels."""
        return self.networks[network].ms * pixels / _profiles().pixels

    def worst(self, network: str, pixels: int) -> float:
        """Return the estimated p99 at the end of the error, in ms."""
        return self.p50_ms(network, pixels) * self.spread

    @property
    def spread(self) -> float:
        """Return p99 at the end of the error for each estimated p50."""
        return SPREAD * (1 + self.error)


class _Profiles(_Part):
    """targets.json. counted: the date. command: that wrote it. size: side of the frame in px."""

    counted: str
    command: str
    size: int = Field(gt=0)
    targets: dict[str, TargetProfile]

    @property
    def pixels(self) -> int:
        return self.size * self.size


@lru_cache(maxsize=1)
def _profiles() -> _Profiles:
    return _Profiles.model_validate_json(PROFILES.read_text(encoding="utf-8"))


def targets() -> dict[str, TargetProfile]:
    """Return the shipped profiles by their names."""
    return _profiles().targets


def counted_on() -> str:
    """Return the date on which the instructions were counted, and the command."""
    return f"{_profiles().counted}, {_profiles().command}"
