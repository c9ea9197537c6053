"""The sections of station.toml that say what the belt is like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from edge.config.section import GpioName, Section, check_kind

Bias = Literal["as-is", "disabled", "pull-up", "pull-down"]

_MOST_MS = 3_600_000  # between photo-eye and ejector: an hour
_MOST_COUNTS = 10_000_000  # between photo-eye and ejector: 10 m at a micrometre each


class LineConfig(Section):
    """From photo-eye to ejector.

    travel_ms: time a part takes from the photo-eye to the ejector; or travel_counts, of the
    encoder. budget_ms: a verdict later than this after the trigger is UNKNOWN. on_unknown: what the
    ejector does with such a part. debounce_ms, debounce_counts: an edge of the photo-eye this soon
    after, or this near to, a part's edge is a bounce. min_spacing_ms, min_spacing_counts: parts
    nearer than this cannot be told apart by the ejector (without the key: what a pulse lasts).
    on_crowded: "reject" kicks both if one has to go, "each" leaves each to its own verdict.
    purge_at_start: with travel_ms, what is on the belt at the start is unknown, and where unknown
    parts are rejected the output is active for travel_ms (with an encoder: its own key).
    require_commission: run only as ``outfeed commission`` has found to be safe.
    """

    travel_ms: float | None = Field(default=None, ge=0.1, le=_MOST_MS)
    travel_counts: int | None = Field(default=None, ge=1, le=_MOST_COUNTS)
    budget_ms: float = Field(ge=0.1, le=_MOST_MS)
    # The fastest valves open in 0.5 ms; a rejector with real-time priority is 0.1 ms late.
    pulse_ms: float = Field(default=20.0, ge=0.1, le=60_000)
    debounce_ms: float = Field(default=2.0, ge=0, le=60_000)
    debounce_counts: int = Field(default=1, ge=1, le=_MOST_COUNTS)
    min_spacing_ms: float | None = Field(default=None, ge=0, le=_MOST_MS)
    min_spacing_counts: int | None = Field(default=None, ge=0, le=_MOST_COUNTS)
    on_crowded: Literal["reject", "each"] = "reject"
    on_unknown: Literal["reject", "pass"] = "reject"
    purge_at_start: bool = True
    require_commission: bool = False

    @field_validator("budget_ms")
    @classmethod
    def _in_time(cls, value: float, info: ValidationInfo) -> float:
        travel_ms = info.data.get("travel_ms")
        if travel_ms is not None and value >= travel_ms:
            raise ValueError(f"must be below travel_ms ({travel_ms:g}): the part is gone by then")
        return value

    @model_validator(mode="after")
    def _one_travel(self) -> LineConfig:
        if (self.travel_ms is None) == (self.travel_counts is None):
            raise ValueError("expected travel_ms, or travel_counts where there is an encoder")
        if self.min_spacing_ms is not None:
            if self.travel_ms is None:
                raise ValueError("min_spacing_ms is for travel_ms: give min_spacing_counts")
            if self.on_crowded == "reject" and self.min_spacing_ms < self.pulse_ms:
                raise ValueError(f"min_spacing_ms must be at least pulse_ms ({self.pulse_ms:g})")
        if "purge_at_start" in self.model_fields_set and self.travel_ms is None:
            raise ValueError("purge_at_start is for travel_ms: give it in [encoder]")
        if self.min_spacing_counts is not None and self.travel_counts is None:
            raise ValueError("min_spacing_counts is for travel_counts: give min_spacing_ms")
        return self

    @property
    def travel_ns(self) -> int | None:
        return None if self.travel_ms is None else round(self.travel_ms * 1e6)

    @property
    def budget_ns(self) -> int:
        return round(self.budget_ms * 1e6)

    @property
    def debounce_ns(self) -> int:
        return round(self.debounce_ms * 1e6)

    @property
    def pulse_us(self) -> int:
        return round(self.pulse_ms * 1e3)


class EncoderConfig(Section):
    """Where the belt is.

    simulated: a belt that runs at counts_per_s; each second or so it is faster or slower by up to
    the share ``variation``, and for the shares ``stops`` and ``reversals`` of the time it stands or
    backs up. max_counts_per_s: no belt is faster; budget and spacing are checked against it.
    channels: "single" cannot see a reversal. survives: the count goes on while no process reads it.
    backlash_counts: a count that falls by less is no reversal. silent_edges: so many edges of the
    photo-eye without a count between them are a dead encoder; 0 is never. purge_at_start: the belt
    is not empty at the start, and what is on it is unknown.

    gpio: channels a, and for quadrature b, at lines ``line_a`` and ``line_b`` of the GPIO chip
    ``chip``; the count grows when a leads b.
    """

    only: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("counts_per_s", "variation", "stops", "reversals", "survives"), "simulated"
        ),
        **dict.fromkeys(("chip", "line_a", "line_b", "active_low", "bias"), "gpio"),
    }
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"gpio": ("chip", "line_a")}

    kind: Literal["simulated", "gpio"] = "simulated"
    max_counts_per_s: int = Field(ge=1, le=1_000_000)
    channels: Literal["quadrature", "single"] = "quadrature"
    backlash_counts: int = Field(default=2, ge=1, le=_MOST_COUNTS)
    silent_edges: int = Field(default=5, ge=0, le=1_000)
    purge_at_start: bool = True
    counts_per_s: int = Field(default=1_000, ge=1, le=1_000_000)
    variation: float = Field(default=0.0, ge=0, lt=1)
    stops: float = Field(default=0.0, ge=0, le=0.5)
    reversals: float = Field(default=0.0, ge=0, le=0.4)
    survives: bool = False
    chip: str | None = Field(default=None, min_length=1)
    line_a: GpioName | None = None
    line_b: GpioName | None = None
    active_low: bool = False
    bias: Bias = "as-is"

    @model_validator(mode="after")
    def _possible(self) -> EncoderConfig:
        check_kind(self, self.kind)
        if self.kind == "gpio":
            if (self.channels == "quadrature") != (self.line_b is not None):
                raise ValueError("line_b is the second channel of quadrature, and of nothing else")
            return self
        fastest = self.counts_per_s * (1 + self.variation)
        if fastest > self.max_counts_per_s:
            raise ValueError(f"max_counts_per_s must be at least {fastest:g}, its speed")
        if self.channels == "single" and (self.reversals or self.survives):
            raise ValueError("a single channel neither sees reversals nor survives its process")
        return self


class EjectorEyeConfig(Section):
    """A second photo-eye, shortly before the ejector.

    to_ejector_ms or to_ejector_counts: from it to the ejector. tolerance_ms or tolerance_counts:
    how far from its place a part may come and still be the one announced. on_absent: what is done
    with a part that must be ejected and that this eye did not see. taken, added: on a simulated
    belt, the shares of parts that somebody takes off and puts on before this eye. gpio: the eye is
    at line ``line`` of the GPIO chip ``chip``.
    """

    only: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("taken", "added"), "simulated"),
        **dict.fromkeys(("chip", "line", "active_low", "edge", "bias"), "gpio"),
    }
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"gpio": ("chip", "line")}

    kind: Literal["simulated", "gpio"] = "simulated"
    to_ejector_ms: float | None = Field(default=None, ge=0.1, le=_MOST_MS)
    to_ejector_counts: int | None = Field(default=None, ge=1, le=_MOST_COUNTS)
    tolerance_ms: float | None = Field(default=None, ge=0.01, le=_MOST_MS)
    tolerance_counts: int | None = Field(default=None, ge=0, le=_MOST_COUNTS)
    on_absent: Literal["eject", "pass"] = "eject"
    taken: float = Field(default=0.0, ge=0, le=1)
    added: float = Field(default=0.0, ge=0, le=1)
    chip: str | None = Field(default=None, min_length=1)
    line: GpioName | None = None
    active_low: bool = False
    edge: Literal["rising", "falling"] = "rising"
    bias: Bias = "as-is"

    @model_validator(mode="after")
    def _of_one_kind(self) -> EjectorEyeConfig:
        check_kind(self, self.kind)
        by_time = self.to_ejector_ms, self.tolerance_ms
        by_counts = self.to_ejector_counts, self.tolerance_counts
        for given, others in ((by_time, by_counts), (by_counts, by_time)):
            if None not in given and others == (None, None):
                if self.tolerance > self.to_ejector:
                    raise ValueError("the tolerance must not be above the way to the ejector")
                return self
        raise ValueError(
            "expected to_ejector_ms and tolerance_ms, or to_ejector_counts and tolerance_counts"
        )

    @property
    def by_counts(self) -> bool:
        return self.to_ejector_counts is not None

    @property
    def to_ejector(self) -> int:
        """Counts, or nanoseconds."""
        return self.to_ejector_counts or round((self.to_ejector_ms or 0) * 1e6)

    @property
    def tolerance(self) -> int:
        """Counts, or nanoseconds."""
        return self.tolerance_counts or round((self.tolerance_ms or 0) * 1e6)
