"""The sections [journal] and [uplink] of station.toml: events on the disk and to the broker."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from edge.config.section import ConfigSection, unit


class JournalConfig(ConfigSection):
    """The journal, which stores each event on the disk before it is published."""

    max_mb: float = Field(
        default=256.0,
        ge=1,
        le=10_000_000,
        title="Capacity of the journal",
        description=(
            "The disk space that the journal may use, with its write-ahead log. The oldest "
            "published events are removed first."
        ),
        json_schema_extra=unit("MiB"),
    )
    commit_interval_ms: float = Field(
        default=0.0,
        ge=0,
        le=2_000,
        title="Commit interval",
        description=(
            "An event waits up to this time for others, and they are written together. At ten "
            "parts per second, 200 ms halves the bytes that are written (`outfeed disk-usage`). "
            "Events that wait are lost if the station is killed or loses its power."
        ),
        json_schema_extra=unit("ms"),
    )

    @property
    def max_bytes(self) -> int:
        """Return ``max_mb`` in bytes."""
        return round(self.max_mb * 1024 * 1024)


class UplinkConfig(ConfigSection):
    """The uplink, which publishes the journal to an MQTT broker."""

    start: bool = Field(
        default=True,
        title="Start with the station",
        description=(
            "true: `outfeed run` starts the uplink. false: `outfeed uplink` runs as a service of "
            "its own."
        ),
    )
    state_dir: Path | None = Field(
        default=None,
        title="State folder of the uplink",
        description=(
            "The folder that the uplink writes to. Set it where the uplink runs as its own "
            "user, which cannot write to the station's state_dir (outfeed-uplink.service). Without "
            "the key it is the station's state_dir."
        ),
    )
    host: str = Field(
        default="127.0.0.1",
        title="Address of the broker",
        description="The name or IP address of the MQTT broker.",
    )
    port: int = Field(
        default=1883,
        ge=1,
        le=65535,
        title="Port of the broker",
        description="The TCP port of the MQTT broker.",
    )
    protocol: Literal["5", "3.1.1"] = Field(
        default="5",
        title="MQTT version",
        description="The version of the MQTT protocol.",
    )
    acknowledged_by: Literal["central", "broker"] = Field(
        default="central",
        title="Acknowledgement of events",
        description=(
            "central: an event is delivered when a central system states that its database has "
            "it, and missing events are sent again. Before the first statement on a journal, the "
            "broker's acknowledgement counts. broker: it always counts, and statements are ignored."
        ),
    )
    resend_rate_hz: float = Field(
        default=200.0,
        ge=0.1,
        le=10_000,
        title="Rate of events that are sent again",
        description=(
            "The largest number of events per second that the uplink sends again because a "
            "central system is missing them. New events go first."
        ),
        json_schema_extra=unit("events/s"),
    )
    status_interval_s: float = Field(
        default=900.0,
        ge=60,
        le=86_400,
        title="Interval of the status",
        description=(
            "The longest time between two statuses of a connection. A status has the ends of "
            "validity of the certificates and the free space of the disks."
        ),
        json_schema_extra=unit("s"),
    )
    keepalive_s: int = Field(
        default=15,
        ge=2,
        le=3600,
        title="Keep-alive interval",
        description=(
            "The MQTT keep-alive. The broker publishes the last will when it receives nothing for "
            "1.5 times this value."
        ),
        json_schema_extra=unit("s"),
    )
    topic_prefix: str = Field(
        default="outfeed/v1",
        pattern=r"^[^#+\s/]+(/[^#+\s/]+)*$",
        title="Topic prefix",
        description=(
            "The topics are topic_prefix/STATION/events, …/status, …/committed, …/commands and "
            "…/desired."
        ),
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
        title="Certificate of the station",
        description=(
            "The station's own certificate, where the broker requires one. It needs tls_key and "
            "tls_ca."
        ),
    )
    tls_key: Path | None = Field(
        default=None,
        title="Private key of the station",
        description="The private key that belongs to tls_cert.",
    )
    connect_timeout_s: float = Field(
        default=5.0,
        ge=0.01,
        le=600,
        title="Time limit for a connection",
        description="The longest time that one attempt to connect may take.",
        json_schema_extra=unit("s"),
    )
    max_inflight: int = Field(
        default=64,
        ge=1,
        le=1000,
        title="Unacknowledged events",
        description="The largest number of events that are sent and not yet acknowledged.",
        json_schema_extra=unit("events"),
    )
    retry_max_s: float = Field(
        default=30.0,
        ge=0.01,
        le=86_400,
        title="Longest pause between two attempts",
        description="The longest pause between two attempts to connect.",
        json_schema_extra=unit("s"),
    )

    @field_validator("state_dir", "password_file", "tls_ca", "tls_cert", "tls_key", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_credentials(self) -> UplinkConfig:
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file needs a username")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key need each other")
        if self.tls_cert is not None and self.tls_ca is None:
            raise ValueError("tls_cert needs tls_ca: there is no TLS without it")
        return self
