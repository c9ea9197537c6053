"""The section [watchdog] of station.toml."""

from __future__ import annotations

from pydantic import Field

from edge.config.section import ConfigSection, unit


class WatchdogConfig(ConfigSection):
    """The time limits of the watchdog.

    If a stage exceeds its limit, the station process ends, the output takes its safe state, and
    systemd starts the station again.
    """

    stage_s: float = Field(
        default=3.0,
        ge=0.5,
        le=600,
        title="Time limit of a stage",
        description=(
            "The longest time between two heartbeats of the trigger, camera, inspector, deadline "
            "and rejector stages. It must be at least twice line.budget_ms, and longer than the "
            "longest capture or inspection that is only late."
        ),
        json_schema_extra=unit("s"),
    )
    journal_s: float = Field(
        default=30.0,
        ge=1,
        le=600,
        title="Time limit of the journal",
        description=(
            "The same for the journal. A disk may stall without harm as long as the queue of the "
            "journal has space. It must be at least twice journal.commit_interval_ms."
        ),
        json_schema_extra=unit("s"),
    )

    @property
    def stage_ns(self) -> int:
        """Return ``stage_s`` in nanoseconds."""
        return round(self.stage_s * 1e9)

    @property
    def journal_ns(self) -> int:
        """Return ``journal_s`` in nanoseconds."""
        return round(self.journal_s * 1e9)
