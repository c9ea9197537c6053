"""The section [pictures] of station.toml."""

from __future__ import annotations

from pydantic import Field, model_validator

from edge.config.section import Section

_MB = 1024 * 1024
_MOST_MB = 10_000_000  # 10 TB


class PicturesConfig(Section):
    """Which pictures a station keeps, in memory and on its disk.

    ring_frames, ring_mb: the last frames stay in memory until one of both is full. max_mb: of
    pictures on the disk; the oldest go first. max_mb_per_day: written in any 24 hours.
    min_free_mb: what is left of the disk for the journal before a picture is written. pass_every:
    one good part in so many is kept too; 0 is none. before_parts: with a part that was rejected or
    UNKNOWN, also so many that came before it.
    """

    enabled: bool = True
    ring_frames: int = Field(default=32, ge=1, le=100_000)
    ring_mb: float = Field(default=64.0, ge=1, le=_MOST_MB)
    max_mb: float = Field(default=512.0, ge=1, le=_MOST_MB)
    max_mb_per_day: float = Field(default=200.0, ge=1, le=_MOST_MB)
    min_free_mb: float = Field(default=256.0, ge=0, le=_MOST_MB)
    pass_every: int = Field(default=0, ge=0, le=1_000_000_000)
    before_parts: int = Field(default=0, ge=0, le=100_000)

    @model_validator(mode="after")
    def _in_the_ring(self) -> PicturesConfig:
        if self.before_parts >= self.ring_frames:
            raise ValueError("before_parts must be below ring_frames: they come from the ring")
        return self

    @property
    def ring_bytes(self) -> int:
        return round(self.ring_mb * _MB)

    @property
    def max_bytes(self) -> int:
        return round(self.max_mb * _MB)

    @property
    def max_bytes_per_day(self) -> int:
        return round(self.max_mb_per_day * _MB)

    @property
    def min_free_bytes(self) -> int:
        return round(self.min_free_mb * _MB)
