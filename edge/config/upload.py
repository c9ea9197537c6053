"""The section [upload] of station.toml: stored pictures to the central system."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from edge.config.section import ConfigSection, unit

_MB = 1 << 20


class UploadConfig(ConfigSection):
    """The upload of stored pictures to the central system.

    `outfeed upload` sends them, as a process of its own. It uses the certificate and the key of
    [uplink]. Inspection and events never wait for it, and a picture that is not sent is lost
    without harm.
    """

    url: str | None = Field(
        default=None,
        title="Address of the picture receiver",
        description=(
            "The address of `outfeed-central pictures`, for instance https://central.plant:8484. "
            "Without the key no picture is sent."
        ),
    )
    pictures: Literal["all", "rejected"] = Field(
        default="all",
        title="Pictures to send",
        description=(
            "all: every stored picture. rejected: those of rejected, UNKNOWN and marked parts."
        ),
    )
    max_mb_per_day: float = Field(
        default=500.0,
        ge=0.1,
        le=10_000_000,
        title="Daily limit",
        description="The data that may be sent in a day (UTC). The newest pictures are sent first.",
        json_schema_extra=unit("MiB"),
    )
    max_kb_per_s: float = Field(
        default=512.0,
        ge=1,
        le=10_000_000,
        title="Rate limit",
        description="The mean rate at which pictures are sent.",
        json_schema_extra=unit("KiB/s"),
    )
    timeout_s: float = Field(
        default=20.0,
        ge=0.1,
        le=600,
        title="Time limit",
        description="The longest time without progress in one request.",
        json_schema_extra=unit("s"),
    )
    retry_max_s: float = Field(
        default=300.0,
        ge=0.01,
        le=86_400,
        title="Longest pause between two attempts",
        description="The longest pause after a failure.",
        json_schema_extra=unit("s"),
    )

    @field_validator("url")
    @classmethod
    def _is_https(cls, value: str | None) -> str | None:
        return https_url(value)

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port of ``url``, which must not be None."""
        assert self.url is not None
        return https_address(self.url)

    @property
    def max_bytes_per_day(self) -> int:
        """Return ``max_mb_per_day`` in bytes."""
        return round(self.max_mb_per_day * _MB)

    @property
    def max_bytes_per_s(self) -> float:
        """Return ``max_kb_per_s`` in bytes per second."""
        return self.max_kb_per_s * 1024


def https_url(value: str | None) -> str | None:
    """Return the address of a server. Raises ValueError unless it is https://HOST[:PORT]."""
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        is_right = parts.scheme == "https" and parts.hostname and parts.path in ("", "/")
        is_right = is_right and not (parts.query or parts.fragment or parts.username)
        is_right = bool(is_right) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError("expected https://HOST or https://HOST:PORT")
    return value


def https_address(url: str) -> tuple[str, int]:
    """Return host and port of an address by ``https_url``."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 443
