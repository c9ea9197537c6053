"""The whole central.toml as a frozen model, and the functions that read it."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from central.config.alarms import AlarmsConfig
from central.config.backup import BackupConfig
from central.config.bucket import BucketConfig
from central.config.openid import OpenIdConfig
from central.config.sections import (
    BrokerConfig,
    CollectorConfig,
    DatabaseConfig,
    RetentionConfig,
)
from central.config.station_server import BundleFolderConfig, PictureFolderConfig
from central.config.web import WebConfig
from edge.config.section import ConfigSection
from edge.errors import ConfigError
from edge.validation_messages import describe, one_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class CentralConfig(ConfigSection):
    """The configuration of the central system. Every section may be missing."""

    broker: BrokerConfig = Field(default=BrokerConfig(), description="The MQTT broker.")
    database: DatabaseConfig = Field(default=DatabaseConfig(), description="The database.")
    web: WebConfig = Field(default=WebConfig(), description="The web pages.")
    openid: OpenIdConfig | None = Field(
        default=None, description="A provider of OpenID Connect, at which people log in."
    )
    collector: CollectorConfig = Field(default=CollectorConfig(), description="The collector.")
    pictures: PictureFolderConfig = Field(
        default=PictureFolderConfig(), description="Pictures that stations upload."
    )
    bundles: BundleFolderConfig = Field(
        default=BundleFolderConfig(), description="Bundles that stations download."
    )
    bucket: BucketConfig | None = Field(
        default=None, description="A bucket of S3, to which the pictures are moved."
    )
    retention: RetentionConfig = Field(
        default=RetentionConfig(), description="The time for which rows are kept."
    )
    alarms: AlarmsConfig = Field(default=AlarmsConfig(), description="Messages about alarms.")
    backup: BackupConfig = Field(
        default=BackupConfig(), description="Backups, and their restore drills."
    )

    @model_validator(mode="after")
    def _check_backup(self) -> CentralConfig:
        if self.backup.folder is not None and self.database.kind != "sqlite":
            raise ValueError(
                "backup.folder is for database.kind sqlite; PostgreSQL has backup.pgbackrest_stanza"
            )
        if self.backup.pgbackrest_stanza is not None and self.database.kind != "postgresql":
            raise ValueError(
                "backup.pgbackrest_stanza is for database.kind postgresql; SQLite has backup.folder"
            )
        return self

    @model_validator(mode="after")
    def _check_bucket(self) -> CentralConfig:
        if self.bucket is not None and self.pictures.path is None:
            raise ValueError("bucket needs pictures.path, the folder that receives the pictures")
        return self

    @model_validator(mode="after")
    def _check_openid(self) -> CentralConfig:
        if self.openid is not None and self.web.accounts == "off":
            raise ValueError('openid needs web.accounts = "on"')
        return self


def load_central(path: Path) -> CentralConfig:
    """Read and check a central.toml.

    Relative paths are taken from the folder of the file. Raises ConfigError with one line that
    names the file and the key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error
    return parse_central(text, path)


def parse_central(text: str, path: Path) -> CentralConfig:
    """Check the text of a central.toml; ``path`` is its file. Raises ConfigError."""
    try:
        data = tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError as error:
        raise ConfigError(f"{path}: is not TOML: nested too deeply") from error
    except ValueError as error:
        raise ConfigError(f"{path}: is not TOML: {one_line(error)}") from error
    try:
        config = CentralConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error)}") from error
    folder = path.resolve().parent
    return config.model_copy(
        update={
            "broker": _anchored(config.broker, folder),
            "database": _anchored(config.database, folder),
            "pictures": _anchored(config.pictures, folder),
            "bundles": _anchored(config.bundles, folder),
            "alarms": _anchored(config.alarms, folder),
            "backup": _anchored(config.backup, folder),
            "web": _anchored(config.web, folder),
            "bucket": None if config.bucket is None else _anchored(config.bucket, folder),
            "openid": None if config.openid is None else _anchored(config.openid, folder),
        }
    )


def _anchored(section: ConfigSection, folder: Path) -> ConfigSection:
    """Return a copy of the section whose relative paths begin at ``folder``."""
    paths: dict[str, object] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Path):
            paths[name] = folder / value
        elif isinstance(value, tuple):
            paths[name] = tuple(folder / one if isinstance(one, Path) else one for one in value)
    return section.model_copy(update=paths)
