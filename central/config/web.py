"""The section of central.toml for the web pages."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from edge.config.section import ConfigSection, unit

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


class WebConfig(ConfigSection):
    """The web pages."""

    listen: str = Field(
        default="127.0.0.1",
        title="Address of the pages",
        description=(
            "The IP address on which the pages are served. An address that other machines reach "
            'needs accounts = "on", and either tls_cert and tls_key, or behind_proxy.'
        ),
    )
    port: int = Field(
        default=8480,
        ge=0,
        le=65535,
        title="Port of the pages",
        description="The TCP port of the pages; 0: a free one.",
    )
    accounts: Literal["on", "off"] = Field(
        default="on",
        title="Accounts",
        description=(
            "on: people log in. off: everybody on this machine has every role, without a password; "
            "for an address of loopback only."
        ),
    )
    hosts: tuple[str, ...] = Field(
        default=(),
        title="Names of the server",
        description=(
            "The names and addresses by which browsers reach the pages. A request for another one "
            "is refused. Without the key: the names of loopback, and the address in listen."
        ),
    )
    tls_cert: Path | None = Field(
        default=None,
        title="Certificate of the pages",
        description="The certificate with its chain, PEM. It needs tls_key.",
    )
    tls_key: Path | None = Field(
        default=None,
        title="Private key of the pages",
        description="The private key that belongs to tls_cert, PEM, without a passphrase.",
    )
    behind_proxy: bool = Field(
        default=False,
        title="Behind a proxy",
        description=(
            "A proxy in front of the pages does the encryption, and states the address of the "
            "client in X-Forwarded-For. Requests of other addresses than proxies are refused."
        ),
    )
    proxies: tuple[str, ...] = Field(
        default=("127.0.0.1", "::1"),
        title="Addresses of the proxy",
        description="The IP addresses from which the proxy connects.",
    )
    session_idle_min: int = Field(
        default=60,
        ge=1,
        le=10_080,
        title="Session without use",
        description="The time after which a session ends that is not used.",
        json_schema_extra=unit("minutes"),
    )
    session_hours: int = Field(
        default=12,
        ge=1,
        le=720,
        title="Longest session",
        description="The time after which a session ends in any case.",
        json_schema_extra=unit("hours"),
    )

    @field_validator("tls_cert", "tls_key", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @field_validator("hosts", "proxies", mode="before")
    @classmethod
    def _tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("hosts")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if not _HOST.fullmatch(each) and not _is_address(each):
                raise ValueError(f"expected names without port, for instance central.plant: {each}")
        return value

    @field_validator("proxies")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if not _is_address(each):
                raise ValueError(f"expected IP addresses, for instance 192.0.2.7: {each}")
        return value

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        if not _is_address(value):
            raise ValueError("expected an IP address, for instance 127.0.0.1 or 0.0.0.0")
        return value

    @model_validator(mode="after")
    def _check(self) -> WebConfig:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key need each other")
        if self.behind_proxy and self.tls_cert is not None:
            raise ValueError("behind_proxy and tls_cert exclude each other")
        if self.is_loopback and not self.behind_proxy:
            return self
        if self.accounts == "off":
            raise ValueError(
                'accounts = "off" is for 127.0.0.1 or ::1 without a proxy; others reach this one'
            )
        if self.tls_cert is None and not self.behind_proxy:
            raise ValueError(
                f"listen = {self.listen!r} needs tls_cert and tls_key, or behind_proxy = true"
            )
        if not self.hosts and ipaddress.ip_address(self.listen).is_unspecified:
            raise ValueError(f"listen = {self.listen!r} needs hosts, the names of this server")
        return self

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine reaches the pages."""
        return ipaddress.ip_address(self.listen).is_loopback

    @property
    def is_secure(self) -> bool:
        """Return whether browsers reach the pages by HTTPS."""
        return self.tls_cert is not None or self.behind_proxy

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the server in lower case."""
        own = {self.listen} if not ipaddress.ip_address(self.listen).is_unspecified else set()
        local = set(LOCAL_HOSTS) if self.is_loopback else set()
        return frozenset(each.lower() for each in (set(self.hosts) or own | local))


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
