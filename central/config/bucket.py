"""The section of central.toml for pictures in a bucket of S3."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from central.config.web import LOCAL_HOSTS
from edge.config.section import ConfigSection

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"([A-Za-z0-9._-]+/)*")


class BucketConfig(ConfigSection):
    """A bucket of S3 for the pictures of stations. Without the section they stay in the folder."""

    name: str = Field(
        title="Name of the bucket",
        description="The bucket. It must exist. Its lifecycle rules decide how long pictures stay.",
    )
    prefix: str = Field(
        default="",
        title="Beginning of the keys",
        description='The beginning of each key, for instance "outfeed/". It ends with a slash.',
    )
    endpoint: str | None = Field(
        default=None,
        title="Address of the service",
        description=(
            "The address of a service other than Amazon's: https://, on this machine http:// too."
        ),
    )
    region: str = Field(
        default="us-east-1",
        min_length=1,
        title="Region",
        description="The region of the bucket. Most other services ignore it.",
    )
    credentials_file: Path | None = Field(
        default=None,
        title="File of the access key",
        description=(
            "A file of two lines: the id of the access key, and the secret. Without the key they "
            "come from the environment or from the role of the machine."
        ),
    )
    tls_ca: Path | None = Field(
        default=None,
        title="Certificate authority",
        description="The authority of the service. Without the key those of the system are used.",
    )

    @field_validator("credentials_file", "tls_ca", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @field_validator("name")
    @classmethod
    def _is_bucket(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("expected 3 to 63 lower-case letters, digits, hyphens and dots")
        return value

    @field_validator("prefix")
    @classmethod
    def _is_prefix(cls, value: str) -> str:
        if not _PREFIX.fullmatch(value) or len(value) > 200:
            raise ValueError('expected names that each end with a slash, for instance "outfeed/"')
        return value

    @field_validator("endpoint")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        is_local = parts.scheme == "http" and parts.hostname in LOCAL_HOSTS
        if not parts.hostname or not (parts.scheme == "https" or is_local):
            raise ValueError("expected an address that begins with https://")
        return value
