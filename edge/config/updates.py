"""The section [updates] of station.toml: bundles over the network."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from edge.config.section import ConfigSection, unit
from edge.config.upload import https_address, https_url

_MB = 1 << 20
_PLACE = r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,62})?$"


class UpdatesConfig(ConfigSection):
    """Bundles that the station takes from the network.

    Keys of trust.operator_keys sign which bundle the station is to run, and a key of trust.keys
    has signed the bundle. Broker and server are not trusted. The bundle first inspects live parts
    in the shadow of the running one, and then decides on probation. Inspection never waits.
    """

    server: str | None = Field(
        default=None,
        title="Address of the bundle server",
        description=(
            "The address from which `outfeed updater` downloads bundles, for instance "
            "https://central.plant:8485. It uses the certificates of [uplink]. Without the key "
            "the station takes no bundle from the network."
        ),
    )
    state_dir: Path | None = Field(
        default=None,
        title="State folder of the updater",
        description=(
            "The folder to which `outfeed updater` writes. Set it where the updater runs as its "
            "own user (outfeed-updater.service). Without the key it is the folder `updater` in the "
            "station's state_dir."
        ),
    )
    plant: str = Field(
        default="",
        pattern=_PLACE,
        title="Plant",
        description=(
            "The name of the plant. A desired state for another plant is refused. An empty text "
            "accepts every plant."
        ),
    )
    line: str = Field(
        default="",
        pattern=_PLACE,
        title="Line",
        description=(
            "The name of the line. A desired state for another line is refused. An empty text "
            "accepts every line."
        ),
    )
    signers: int = Field(
        default=1,
        ge=1,
        le=4,
        title="Number of signers",
        description="The number of operator keys that must have signed a desired state.",
        json_schema_extra=unit("keys"),
    )
    shadow_parts: int = Field(
        default=3000,
        ge=1,
        le=10_000_000,
        title="Parts of the shadow",
        description=(
            "The least number of live parts that a new bundle inspects beside the running one. A "
            "desired state can only ask for more."
        ),
        json_schema_extra=unit("parts"),
    )
    shadow_rejects: int = Field(
        default=30,
        ge=0,
        le=100_000,
        title="Rejects in the shadow",
        description=(
            "The least number of these parts that the running bundle rejects. A desired state can "
            "only ask for more."
        ),
        json_schema_extra=unit("parts"),
    )
    max_mb: float = Field(
        default=768.0,
        ge=1,
        le=10_000_000,
        title="Disk space",
        description=(
            "The disk space for downloads and for the bundles that the station keeps. A bundle "
            "that does not fit is refused."
        ),
        json_schema_extra=unit("MiB"),
    )
    min_free_mb: float = Field(
        default=256.0,
        ge=0,
        le=10_000_000,
        title="Free disk space",
        description="The disk space that a download leaves free.",
        json_schema_extra=unit("MiB"),
    )
    max_kb_per_s: float = Field(
        default=1024.0,
        ge=1,
        le=10_000_000,
        title="Rate limit",
        description="The mean rate of a download.",
        json_schema_extra=unit("KiB/s"),
    )
    timeout_s: float = Field(
        default=20.0,
        ge=0.1,
        le=600,
        title="Time limit",
        description="The longest time without progress in a download.",
        json_schema_extra=unit("s"),
    )
    min_kb_per_s: float = Field(
        default=1.0,
        ge=0,
        le=10_000_000,
        title="Slowest server",
        description=(
            "A connection that is slower than this over one minute is closed, and tried again."
        ),
        json_schema_extra=unit("KiB/s"),
    )
    retry_max_s: float = Field(
        default=300.0,
        ge=0.01,
        le=86_400,
        title="Longest pause between two attempts",
        description="The longest pause after a failure.",
        json_schema_extra=unit("s"),
    )

    @field_validator("server")
    @classmethod
    def _is_https(cls, value: str | None) -> str | None:
        return https_url(value)

    @field_validator("state_dir", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port of ``server``, which must not be None."""
        assert self.server is not None
        return https_address(self.server)

    @property
    def max_bytes(self) -> int:
        """Return ``max_mb`` in bytes."""
        return round(self.max_mb * _MB)

    @property
    def min_free_bytes(self) -> int:
        """Return ``min_free_mb`` in bytes."""
        return round(self.min_free_mb * _MB)
