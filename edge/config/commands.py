"""The section [commands] of station.toml: signed commands from the network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from edge.config.section import ConfigSection

CommandKind = Literal["mark", "resend", "picture"]
"""The kinds of commands. None of them sets an output, a threshold, a rule or the configuration."""


class CommandsConfig(ConfigSection):
    """Signed commands that the station takes from the broker.

    A key of trust.operator_keys must have signed a command, for this station and for one of its
    runs. Each command is executed once. Broker and central system are not trusted.
    """

    accept: tuple[CommandKind, ...] = Field(
        default=(),
        title="Accepted kinds",
        description=(
            '"mark": mark a part, as `outfeed mark` does. "resend": publish events of the journal '
            'again. "picture": send the stored picture of a part (needs upload.url). Commands of '
            "other kinds are refused. Without the key the station subscribes to no commands."
        ),
    )

    @field_validator("accept", mode="before")
    @classmethod
    def _kinds(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("accept")
    @classmethod
    def _each_once(cls, value: tuple[CommandKind, ...]) -> tuple[CommandKind, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a kind is listed twice")
        return value
