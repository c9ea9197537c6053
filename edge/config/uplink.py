"""The [journal] and [uplink] sections of station.toml: events on the disk and to the broker."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from edge.config.section import Section


class JournalConfig(Section):
    """The journal and the disk it may use, its write-ahead log included. commit_interval_ms: an
    event waits so long for others that go to the disk with it."""

    max_mb: float = Field(default=256.0, ge=1, le=10_000_000)
    commit_interval_ms: float = Field(default=0.0, ge=0, le=2_000)

    @property
    def max_bytes(self) -> int:
        return round(self.max_mb * 1024 * 1024)


class UplinkConfig(Section):
    """The way to the broker. start: whether ``outfeed run`` starts the uplink itself. state_dir:
    the folder that the uplink writes; None: the station's. An uplink that runs as a user of its own
    can write nothing else."""

    start: bool = True
    state_dir: Path | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=1, le=65535)
    protocol: Literal["5", "3.1.1"] = "5"
    keepalive_s: int = Field(default=15, ge=2, le=3600)
    topic_prefix: str = Field(default="outfeed/v1", pattern=r"^[^#+\s/]+(/[^#+\s/]+)*$")
    username: str | None = None
    password_file: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    connect_timeout_s: float = Field(default=5.0, ge=0.01, le=600)
    max_inflight: int = Field(default=64, ge=1, le=1000)
    retry_max_s: float = Field(default=30.0, ge=0.01, le=86_400)

    @field_validator("state_dir", "password_file", "tls_ca", "tls_cert", "tls_key", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> UplinkConfig:
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file needs a username")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key come together")
        if self.tls_cert is not None and self.tls_ca is None:
            raise ValueError("tls_cert needs tls_ca: there is no TLS without it")
        return self
