"""The sections of central.toml."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from edge.config.section import ConfigSection, unit
from edge.config.uplink import UplinkConfig

_DAYS = unit("days")


class BrokerConfig(ConfigSection):
    """The MQTT broker from which the collector receives the events of all stations."""

    kind: Literal["embedded", "external"] = Field(
        default="embedded",
        title="Kind of broker",
        description=(
            "embedded: `outfeed-central run` starts a broker on the loopback interface, without "
            "a password and without a disk. external: a broker of the plant, for instance "
            "Mosquitto, EMQX or HiveMQ."
        ),
    )
    host: str = Field(
        default="127.0.0.1",
        title="Address of the broker",
        description="The name or IP address of an external broker.",
    )
    port: int = Field(
        default=1883,
        ge=1,
        le=65535,
        title="Port of the broker",
        description="The TCP port of the broker.",
    )
    topic_prefix: str = Field(
        default="outfeed/v1",
        pattern=r"^[^#+\s/]+(/[^#+\s/]+)*$",
        title="Topic prefix",
        description="The beginning of all topics, as uplink.topic_prefix of the stations.",
    )
    keepalive_s: int = Field(
        default=15,
        ge=2,
        le=3600,
        title="Keep-alive interval",
        description="The MQTT keep-alive of the collector.",
        json_schema_extra=unit("s"),
    )
    username: str | None = Field(
        default=None,
        title="User name",
        description="The user name for the broker. Without the key there is no login.",
    )
    password_file: Path | None = Field(
        default=None,
        title="Password file",
        description="The file that contains the password for the broker. It needs username.",
    )
    tls_ca: Path | None = Field(
        default=None,
        title="Certificate authority",
        description=(
            "The certificate of the authority that signed the broker's certificate. Without the "
            "key the connection is not encrypted."
        ),
    )
    tls_cert: Path | None = Field(
        default=None,
        title="Certificate of the central system",
        description="The certificate of the collector. It needs tls_key and tls_ca.",
    )
    tls_key: Path | None = Field(
        default=None,
        title="Private key of the central system",
        description="The private key that belongs to tls_cert.",
    )
    retry_max_s: float = Field(
        default=10.0,
        ge=0.01,
        le=3600,
        title="Longest pause between two attempts",
        description="The longest pause between two attempts to connect.",
        json_schema_extra=unit("s"),
    )

    @field_validator("password_file", "tls_ca", "tls_cert", "tls_key", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> BrokerConfig:
        if self.kind == "embedded":
            for key in ("host", "username", "password_file", "tls_ca", "tls_cert", "tls_key"):
                if key in self.model_fields_set:
                    raise ValueError(f"{key} is of kind external; kind is embedded")
        self.connection()
        return self

    def connection(self, port: int | None = None) -> UplinkConfig:
        """Return the settings of a client. port: the port in place of ``port``."""
        return UplinkConfig(
            host=self.host,
            port=self.port if port is None else port,
            topic_prefix=self.topic_prefix,
            keepalive_s=self.keepalive_s,
            username=self.username,
            password_file=self.password_file,
            tls_ca=self.tls_ca,
            tls_cert=self.tls_cert,
            tls_key=self.tls_key,
            retry_max_s=self.retry_max_s,
        )


class DatabaseConfig(ConfigSection):
    """The database. SQLite serves one machine. A plant with several collectors uses PostgreSQL."""

    kind: Literal["sqlite", "postgresql"] = Field(
        default="sqlite",
        title="Kind of database",
        description="sqlite: a file on this machine. postgresql: a server, version 15 or later.",
    )
    path: Path = Field(
        default=Path("central.db"),
        title="File of the database",
        description="The file of SQLite. Its folder must exist.",
    )
    host: str = Field(
        default="127.0.0.1",
        title="Address of the server",
        description="The name or address of the PostgreSQL server, or the folder of its socket.",
    )
    port: int = Field(
        default=5432,
        ge=1,
        le=65535,
        title="Port of the server",
        description="The TCP port of the PostgreSQL server.",
    )
    hosts: tuple[str, ...] = Field(
        default=(),
        max_length=16,
        title="Addresses of a cluster",
        description=(
            'The servers of a cluster in place of host, for instance ["db1.plant.example", '
            '"db2.plant.example:5433"]. A connection goes to the one that accepts writes.'
        ),
    )
    name: str = Field(
        default="outfeed",
        min_length=1,
        title="Name of the database",
        description="The name of the database on the PostgreSQL server. It must exist.",
    )
    username: str = Field(
        default="outfeed",
        min_length=1,
        title="User name",
        description="The user of the PostgreSQL server. It must own the database.",
    )
    password_file: Path | None = Field(
        default=None,
        title="Password file",
        description="The file that contains the password of the user. Without it there is none.",
    )
    tls: Literal["verify-full", "require", "off"] = Field(
        default="off",
        title="Encryption",
        description=(
            "verify-full: the server must prove its name with a certificate. require: encrypted, "
            "but the server is not checked. off: not encrypted; for this machine only."
        ),
    )
    tls_ca: Path | None = Field(
        default=None,
        title="Certificate authority",
        description='The authority of the server\'s certificate, for tls = "verify-full".',
    )

    @field_validator("path", "password_file", "tls_ca", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @field_validator("hosts", mode="before")
    @classmethod
    def _tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("hosts")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            name, _, port = each.partition(":")
            has_port = ":" not in each or (port.isdecimal() and 0 < int(port) < 65536)
            if not has_port or not re.fullmatch(r"[A-Za-z0-9_.-]{1,253}", name):
                raise ValueError("expected names or addresses as db1.plant.example:5432")
        return value

    @property
    def servers(self) -> tuple[tuple[str, int], ...]:
        """Return the name and the port of each server, in the order in which they are tried."""
        if not self.hosts:
            return ((self.host, self.port),)
        named = (each.partition(":") for each in self.hosts)
        return tuple((name, int(port or self.port)) for name, _, port in named)

    @model_validator(mode="after")
    def _check_kind(self) -> DatabaseConfig:
        own = {"path"} if self.kind == "sqlite" else set(type(self).model_fields) - {"path"}
        for key in sorted(self.model_fields_set - own - {"kind"}):
            other = "postgresql" if self.kind == "sqlite" else "sqlite"
            raise ValueError(f"{key} is of kind {other}; kind is {self.kind}")
        if "host" in self.model_fields_set and self.hosts:
            raise ValueError("host and hosts exclude each other")
        if (self.tls == "verify-full") != (self.tls_ca is not None):
            raise ValueError('tls_ca and tls = "verify-full" need each other')
        return self


class CollectorConfig(ConfigSection):
    """The collector, which writes events to the database and acknowledges them."""

    name: str = Field(
        default="central",
        min_length=1,
        max_length=64,
        title="Name of the central system",
        description="The name in statements of committed events, for people.",
    )
    share: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        title="Group of collectors",
        description=(
            "Collectors with the same group share the events between them (shared subscription of "
            "MQTT 5). Without the key this is the only collector."
        ),
    )
    batch_events: int = Field(
        default=500,
        ge=1,
        le=10_000,
        title="Events of a batch",
        description="The largest number of messages that are committed together.",
        json_schema_extra=unit("messages"),
    )
    batch_ms: float = Field(
        default=50.0,
        ge=0,
        le=5_000,
        title="Longest wait of a batch",
        description=(
            "The longest time that a message waits for others. A batch is committed earlier where "
            "no message arrives for 2 ms."
        ),
        json_schema_extra=unit("ms"),
    )
    window: int = Field(
        default=1000,
        ge=1,
        le=65535,
        title="Unacknowledged messages",
        description="The number of messages that the broker may send before one is committed.",
        json_schema_extra=unit("messages"),
    )
    statement_s: float = Field(
        default=1.0,
        ge=0.1,
        le=10,
        title="Interval of statements",
        description="The shortest time between two statements of committed events for a journal.",
        json_schema_extra=unit("s"),
    )


class RetentionConfig(ConfigSection):
    """The time for which the database keeps rows, counted from their reception. 0: for ever."""

    events_days: int = Field(
        default=30,
        ge=0,
        le=36_500,
        title="Payloads",
        description="Events as they were received, with their payload.",
        json_schema_extra=_DAYS,
    )
    parts_days: int = Field(
        default=400,
        ge=0,
        le=36_500,
        title="Parts",
        description="Parts, their defects and the actions of the ejector.",
        json_schema_extra=_DAYS,
    )
    figures_days: int = Field(
        default=3650,
        ge=0,
        le=36_500,
        title="Figures per minute",
        description="The numbers of parts per station and minute.",
        json_schema_extra=_DAYS,
    )
    reports_days: int = Field(
        default=3650,
        ge=0,
        le=36_500,
        title="Reports",
        description="Starts, marks, gaps, drift, self-tests, and commands after their expiry.",
        json_schema_extra=_DAYS,
    )


class PictureFolderConfig(ConfigSection):
    """The pictures that stations upload (`outfeed upload`)."""

    path: Path | None = Field(
        default=None,
        title="Folder of the pictures",
        description="The folder of received pictures. Without the key none are received or shown.",
    )
    max_mb: float = Field(
        default=20_000.0,
        ge=1,
        le=1_000_000_000,
        title="Size of the folder",
        description="The oldest received pictures are removed above this size.",
        json_schema_extra=unit("MiB"),
    )
    listen: str = Field(
        default="0.0.0.0",
        title="Address of the receiver",
        description="The IP address on which `outfeed-central pictures` receives.",
    )
    port: int = Field(
        default=8484,
        ge=0,
        le=65535,
        title="Port of the receiver",
        description="The TCP port; 0: a free one.",
    )
    tls_ca: Path | None = Field(
        default=None,
        title="Certificate authority",
        description="The authority that signed the certificates of the stations.",
    )
    tls_cert: Path | None = Field(
        default=None,
        title="Certificate of the receiver",
        description="A certificate for the name in upload.url (`outfeed provision broker NAME`).",
    )
    tls_key: Path | None = Field(
        default=None,
        title="Private key of the receiver",
        description="The private key that belongs to tls_cert.",
    )
    tls_revoked: Path | None = Field(
        default=None,
        title="Revoked certificates",
        description="The list of `outfeed provision revoke`. Its stations are refused.",
    )

    @field_validator("path", "tls_ca", "tls_cert", "tls_key", "tls_revoked", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @field_validator("listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError("expected an IP address") from None
        return value

    @property
    def max_bytes(self) -> int:
        """Return ``max_mb`` in bytes."""
        return round(self.max_mb * 1024 * 1024)
