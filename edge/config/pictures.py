"""The section [pictures] of station.toml."""

from __future__ import annotations

from pydantic import Field, model_validator

from edge.config.section import ConfigSection, unit

_MB = 1024 * 1024
_MAX_MB = 10_000_000  # 10 TB


class PicturesConfig(ConfigSection):
    """The pictures that a station stores in memory and on its disk.

    They serve for inspection by people, for `outfeed replay` and for training. The station stores
    pictures of parts that were rejected, UNKNOWN or marked by a user (`outfeed mark`). After a
    crash it also stores the last frames from memory. `outfeed disk-usage` predicts what this writes
    to the disk in a day.
    """

    enabled: bool = Field(
        default=True,
        title="Store pictures",
        description="false: no pictures are stored, and marks are not read.",
    )
    ring_frames: int = Field(
        default=32,
        ge=1,
        le=100_000,
        title="Frames in memory",
        description=(
            "The last frames stay in memory until there are this many of them, or ring_mb is full. "
            "At least one frame stays."
        ),
        json_schema_extra=unit("frames"),
    )
    ring_mb: float = Field(
        default=64.0,
        ge=1,
        le=_MAX_MB,
        title="Memory for frames",
        description="The memory for the last frames. One frame must fit.",
        json_schema_extra=unit("MiB"),
    )
    max_mb: float = Field(
        default=512.0,
        ge=1,
        le=_MAX_MB,
        title="Size of the picture store",
        description=(
            "The disk space for pictures, in state_dir/pictures. The oldest are removed first."
        ),
        json_schema_extra=unit("MiB"),
    )
    max_mb_per_day: float = Field(
        default=200.0,
        ge=1,
        le=_MAX_MB,
        title="Write limit",
        description=(
            "The bytes of pictures that may be written in any 24 hours, at most half of them at "
            "once, because flash cards wear. Further pictures are left out and counted. The "
            "picture of a marked part is always stored."
        ),
        json_schema_extra=unit("MiB per 24 h"),
    )
    min_free_mb: float = Field(
        default=256.0,
        ge=0,
        le=_MAX_MB,
        title="Free disk space",
        description=(
            "No picture is written that would leave less free space than this, which the journal "
            "needs. Below half of it, the oldest pictures are removed."
        ),
        json_schema_extra=unit("MiB"),
    )
    pass_every: int = Field(
        default=0,
        ge=0,
        le=1_000_000_000,
        title="Good parts to store",
        description=(
            "The picture of one good part in this number is stored, for training. 0: none. "
            "Encoding a large frame takes 0.3 to 1 s of a core."
        ),
        json_schema_extra=unit("parts"),
    )
    before_parts: int = Field(
        default=0,
        ge=0,
        le=100_000,
        title="Parts before a defective one",
        description=(
            "With a part that was rejected or UNKNOWN, the pictures of this many parts before it "
            "are stored too. It must be below ring_frames."
        ),
        json_schema_extra=unit("parts"),
    )

    @model_validator(mode="after")
    def _before_parts_are_in_the_ring(self) -> PicturesConfig:
        if self.before_parts >= self.ring_frames:
            raise ValueError("before_parts must be below ring_frames: they come from the ring")
        return self

    @property
    def ring_bytes(self) -> int:
        """Return ``ring_mb`` in bytes."""
        return round(self.ring_mb * _MB)

    @property
    def max_bytes(self) -> int:
        """Return ``max_mb`` in bytes."""
        return round(self.max_mb * _MB)

    @property
    def max_bytes_per_day(self) -> int:
        """Return ``max_mb_per_day`` in bytes."""
        return round(self.max_mb_per_day * _MB)

    @property
    def min_free_bytes(self) -> int:
        """Return ``min_free_mb`` in bytes."""
        return round(self.min_free_mb * _MB)
