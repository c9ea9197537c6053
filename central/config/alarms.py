"""The section [alarms] of central.toml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from edge.config.section import ConfigSection, unit

_MAIL = r"^[^\s@<>,;:\"]+@[^\s@<>,;:\"]+$"


class AlarmsConfig(ConfigSection):
    """The messages about alarms. The rules themselves are edited on the page of alarms."""

    interval_s: float = Field(
        default=10.0,
        ge=0.2,
        le=300,
        title="Interval of the rules",
        description="The time between two evaluations of the rules.",
        json_schema_extra=unit("s"),
    )
    webhook_url: str | None = Field(
        default=None,
        title="Address of the webhook",
        description=(
            "The address (http or https) to which messages about alarms are posted as JSON. "
            "Without the key there is no webhook."
        ),
    )
    webhook_secret_file: Path | None = Field(
        default=None,
        title="Secret of the webhook",
        description=(
            "The file with the secret that signs each message (HMAC-SHA-256, header "
            "Outfeed-Signature)."
        ),
    )
    mail_host: str | None = Field(
        default=None,
        title="Mail server",
        description="The name or address of the SMTP server. Without the key there is no mail.",
    )
    mail_port: int = Field(
        default=25,
        ge=1,
        le=65535,
        title="Port of the mail server",
        description="The TCP port of the SMTP server.",
    )
    mail_tls: Literal["off", "starttls", "tls"] = Field(
        default="off",
        title="Encryption of mail",
        description="off, starttls (port 25 or 587), or tls from the start (port 465).",
    )
    mail_username: str | None = Field(
        default=None,
        title="User of the mail server",
        description="The user name for the mail server. It needs mail_password_file.",
    )
    mail_password_file: Path | None = Field(
        default=None,
        title="Password of the mail server",
        description="The file with the password for the mail server. It needs mail_username.",
    )
    mail_from: str = Field(
        default="outfeed@localhost",
        pattern=_MAIL,
        title="Sender of mail",
        description="The address of the sender.",
    )
    mail_to: tuple[str, ...] = Field(
        default=(),
        title="Receivers of mail",
        description="The addresses that receive every message.",
    )
    escalate_to: tuple[str, ...] = Field(
        default=(),
        title="Receivers of escalations",
        description="The addresses that also receive alarms without an acknowledgement in time.",
    )

    @field_validator("webhook_secret_file", "mail_password_file", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @field_validator("mail_to", "escalate_to", mode="before")
    @classmethod
    def _tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("mail_to", "escalate_to")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if not re.fullmatch(_MAIL, each):
                raise ValueError("expected mail addresses, for instance ada@example.com")
        return value

    @field_validator("webhook_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            address = urlsplit(value)
            is_right = address.scheme in ("http", "https") and bool(address.hostname)
            is_right = is_right and address.port != 0 and value.isascii() and value.isprintable()
        except ValueError:
            is_right = False
        if not is_right or " " in value:
            raise ValueError("expected an address, for instance https://mes.example.com/alarms")
        return value

    @model_validator(mode="after")
    def _check(self) -> AlarmsConfig:
        if self.webhook_secret_file is not None and self.webhook_url is None:
            raise ValueError("webhook_secret_file needs webhook_url")
        if (self.mail_username is None) != (self.mail_password_file is None):
            raise ValueError("mail_username and mail_password_file need each other")
        if self.mail_host is None and (self.mail_to or self.escalate_to):
            raise ValueError("mail_to and escalate_to need mail_host")
        if self.mail_host is not None and not (self.mail_to or self.escalate_to):
            raise ValueError("mail_host needs mail_to or escalate_to")
        return self
