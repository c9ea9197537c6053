"""The section [page] of station.toml: the page of the station for the people at the line."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from edge.config.section import ConfigSection

_SHIFT = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
_MOST_SHIFTS = 12


class PageConfig(ConfigSection):
    """The page of the station, which `outfeed page` serves.

    It is a process of its own that nothing waits for. It reads the journal and the picture store.
    By default only this machine reaches it, and it accepts no marks.
    """

    bind: str = Field(
        default="127.0.0.1",
        title="Address of the page",
        description=(
            "The IP address on which the page is served. 0.0.0.0 is every address of this machine. "
            "Any other than a loopback address needs tls_cert, tls_key and people."
        ),
    )
    port: int = Field(
        default=8490,
        ge=1,
        le=65_535,
        title="Port of the page",
        description="The TCP port of the page.",
    )
    tls_cert: Path | None = Field(
        default=None,
        title="Certificate of the page",
        description=(
            "A certificate in PEM with the name or address of this machine. `outfeed provision "
            "broker HOST` makes one. A renewed file is read without a restart."
        ),
    )
    tls_key: Path | None = Field(
        default=None,
        title="Private key of the page",
        description="The private key of tls_cert, in PEM without a passphrase.",
    )
    people: Path | None = Field(
        default=None,
        title="People at the page",
        description=(
            "The file of the people who may log in, with their rights. `outfeed page-person` "
            "writes it. It has no password in plain text."
        ),
    )
    marking: bool = Field(
        default=False,
        title="Marks from the page",
        description=(
            "true: people with the right `mark` can mark parts on the page, as `outfeed mark` "
            "does. It needs people and pictures.enabled."
        ),
    )
    shifts: tuple[str, ...] = Field(
        default=("06:00", "14:00", "22:00"),
        title="Begin of the shifts",
        description=(
            "The times of day at which a shift begins, HH:MM in the time zone of this machine. The "
            "page counts the parts of the present shift."
        ),
    )
    state_dir: Path | None = Field(
        default=None,
        title="Folder of the page",
        description=(
            "The folder that the page writes its marks to. Set it where the page runs as its own "
            "user, as outfeed-page.service does. Without the key it is state_dir."
        ),
    )

    @field_validator("tls_cert", "tls_key", "people", "state_dir", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @field_validator("shifts", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("bind")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            ipaddress.ip_address(value)
        except ValueError as error:
            raise ValueError("expected an IP address, for instance 0.0.0.0") from error
        return value

    @field_validator("shifts")
    @classmethod
    def _are_times(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not 1 <= len(value) <= _MOST_SHIFTS:
            raise ValueError(f"expected 1 to {_MOST_SHIFTS} times")
        for each in value:
            if _SHIFT.fullmatch(each) is None:
                raise ValueError(f"{each!r}: expected a time of day, for instance 06:00")
        if list(value) != sorted(set(value)):
            raise ValueError("expected ascending times, each once")
        return value

    @model_validator(mode="after")
    def _is_safe(self) -> PageConfig:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key: expected both, or neither")
        if not self.is_local and (self.tls_cert is None or self.people is None):
            raise ValueError(
                f"bind {self.bind} lets other machines reach the page: expected tls_cert, tls_key "
                "and people"
            )
        if self.marking and self.people is None:
            raise ValueError("marking needs people")
        return self

    @property
    def is_local(self) -> bool:
        """Return whether only this machine can reach the page."""
        return ipaddress.ip_address(self.bind).is_loopback
