"""The sections of central.toml for the HTTPS servers that stations connect to."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from edge.config.section import ConfigSection, unit
from edge.config.trust import key_entries


class StationServerConfig(ConfigSection):
    """An HTTPS server. A station proves its name to it by a certificate."""

    listen: str = Field(
        default="0.0.0.0",
        title="Address of the server",
        description="The IP address on which stations are served.",
    )
    tls_ca: Path | None = Field(
        default=None,
        title="Certificate authority",
        description="The authority that signed the certificates of the stations.",
    )
    tls_cert: Path | None = Field(
        default=None,
        title="Certificate of the server",
        description="A certificate for the name that stations use (`outfeed provision broker`).",
    )
    tls_key: Path | None = Field(
        default=None,
        title="Private key of the server",
        description="The private key that belongs to tls_cert.",
    )
    tls_revoked: Path | None = Field(
        default=None,
        title="Revoked certificates",
        description="The list of `outfeed provision revoke`. Its stations are refused.",
    )

    @field_validator("tls_ca", "tls_cert", "tls_key", "tls_revoked", mode="before")
    @classmethod
    def _tls_path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @field_validator("listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError("expected an IP address") from None
        return value


class PictureFolderConfig(StationServerConfig):
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
    port: int = Field(
        default=8484,
        ge=0,
        le=65535,
        title="Port of the receiver",
        description="The TCP port; 0: a free one.",
    )

    @field_validator("path", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @property
    def max_bytes(self) -> int:
        """Return ``max_mb`` in bytes."""
        return round(self.max_mb * 1024 * 1024)


class BundleFolderConfig(StationServerConfig):
    """The bundles that stations download (`outfeed-central bundle serve`)."""

    path: Path | None = Field(
        default=None,
        title="Folder of the bundles",
        description=(
            "The folder of uploaded bundles. Without the key none can be uploaded, and there are "
            "no rollouts."
        ),
    )
    keys: tuple[str | Path, ...] = Field(
        default=(),
        title="Public keys of signers",
        description=(
            "The keys whose bundles may be uploaded, as `trust.keys` of the stations: `ed25519:` "
            "and 64 hexadecimal digits, or a file that contains one. path needs it."
        ),
    )
    max_mb: float = Field(
        default=10_000.0,
        ge=1,
        le=1_000_000_000,
        title="Size of the folder",
        description="An upload beyond this size is refused. Nothing is removed by itself.",
        json_schema_extra=unit("MiB"),
    )
    port: int = Field(
        default=8485,
        ge=0,
        le=65535,
        title="Port of the bundles",
        description="The TCP port for stations; 0: a free one.",
    )

    @field_validator("path", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @field_validator("keys", mode="before")
    @classmethod
    def _keys(cls, value: object) -> object:
        return key_entries(value)

    @model_validator(mode="after")
    def _check(self) -> BundleFolderConfig:
        if self.path is not None and not self.keys:
            raise ValueError("path needs keys, the public keys that sign bundles")
        return self

    @property
    def max_bytes(self) -> int:
        """Return ``max_mb`` in bytes."""
        return round(self.max_mb * 1024 * 1024)
