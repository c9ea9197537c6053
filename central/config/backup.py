"""The section [backup] of central.toml."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator, model_validator

from edge.config.section import ConfigSection, unit


class BackupConfig(ConfigSection):
    """Backups of the database, and the drills that restore them.

    SQLite is copied to a folder. The backups of PostgreSQL are those of pgBackRest.
    """

    folder: Path | None = Field(
        default=None,
        title="Folder of backups",
        description=(
            "The folder for a copy of the SQLite database every hour and every day. Without "
            "the key there are no copies. Choose a folder on another disk."
        ),
    )
    hourly: int = Field(
        default=24,
        ge=0,
        le=168,
        title="Hourly copies",
        description="The number of hourly copies that are kept.",
    )
    daily: int = Field(
        default=7,
        ge=1,
        le=366,
        title="Daily copies",
        description="The number of daily copies that are kept.",
    )
    pgbackrest_stanza: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$",
        title="Stanza of pgBackRest",
        description=(
            "The stanza with the backups of the PostgreSQL database. `outfeed-central drill` "
            "restores it. Without the key no drill is expected."
        ),
    )
    pgbackrest_config: Path | None = Field(
        default=None,
        title="Configuration of pgBackRest",
        description="The file pgbackrest.conf. Without the key pgBackRest looks for it itself.",
    )
    drill_hours: float = Field(
        default=24.0,
        ge=0,
        le=8760,
        title="Interval of restore drills",
        description=(
            "The time between two drills that restore the newest copy of SQLite to a scratch "
            "database and check it. 0: none, and no alarm about it. PostgreSQL: the timer "
            "outfeed-central-drill.timer decides."
        ),
        json_schema_extra=unit("h"),
    )
    drill_folder: Path | None = Field(
        default=None,
        title="Folder of restore drills",
        description=(
            "The folder for scratch databases. It needs free space for one database. Without the "
            "key: the folder of backups, or for PostgreSQL the temporary folder of the system."
        ),
    )

    @field_validator("folder", "pgbackrest_config", "drill_folder", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> BackupConfig:
        if self.pgbackrest_config is not None and self.pgbackrest_stanza is None:
            raise ValueError("pgbackrest_config needs pgbackrest_stanza")
        return self

    @property
    def expects_drills(self) -> bool:
        """Return whether an alarm is due where no drill succeeds."""
        has_backups = self.folder is not None or self.pgbackrest_stanza is not None
        return has_backups and self.drill_hours > 0
