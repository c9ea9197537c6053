"""The section of central.toml for logins at a provider of OpenID Connect."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from central.config.web import LOCAL_HOSTS
from edge.config.section import ConfigSection


class OpenIdGroup(ConfigSection):
    """The role of the members of a group, with its scope."""

    group: str = Field(
        min_length=1,
        title="Group",
        description="A value of the claim, as the provider writes it.",
    )
    role: Literal["production", "quality", "management", "admin"] = Field(
        title="Role",
        description="The role of the members.",
    )
    plant: str | None = Field(
        default=None,
        title="Plant",
        description="The plant in which the role holds. Without the key it holds everywhere.",
    )
    line: str | None = Field(
        default=None,
        title="Line",
        description="The line of the plant in which the role holds. It needs plant.",
    )

    @model_validator(mode="after")
    def _check_line(self) -> OpenIdGroup:
        if self.line is not None and self.plant is None:
            raise ValueError("line needs plant")
        return self


class OpenIdConfig(ConfigSection):
    """A provider of OpenID Connect, at which people log in. Without the section there is none."""

    issuer: str = Field(
        title="Address of the provider",
        description=(
            "The issuer. Its description is read from /.well-known/openid-configuration below. "
            "https, except for an address of this machine."
        ),
    )
    client_id: str = Field(
        min_length=1,
        title="Client",
        description="The name of the central system at the provider.",
    )
    client_secret_file: Path | None = Field(
        default=None,
        title="File of the secret",
        description="The file that contains the client's secret. Without it the client is public.",
    )
    tls_ca: Path | None = Field(
        default=None,
        title="Certificate authority",
        description=(
            "The authority of the provider's certificate, PEM. Without the key: those that the "
            "system trusts."
        ),
    )
    redirect: str = Field(
        title="Address of the return",
        description=(
            "The address to which the provider sends the browser: that of these pages, with "
            "/login/openid/return at the end. The provider must have it in its list."
        ),
    )
    scopes: tuple[str, ...] = Field(
        default=("openid", "profile", "email"),
        title="Scopes",
        description="What the provider is asked for.",
    )
    name_claim: str = Field(
        default="preferred_username",
        min_length=1,
        title="Claim of the name",
        description="The claim that becomes the name of a new account.",
    )
    groups_claim: str = Field(
        default="groups",
        min_length=1,
        title="Claim of the groups",
        description="The claim with the list of a person's groups.",
    )
    groups: tuple[OpenIdGroup, ...] = Field(
        default=(),
        title="Roles of groups",
        description=(
            "The role of each group. A person without such a group cannot log in. The roles of an "
            "account are set again at each login."
        ),
    )

    @field_validator("client_secret_file", "tls_ca", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @field_validator("scopes", "groups", mode="before")
    @classmethod
    def _tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("scopes")
    @classmethod
    def _has_openid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in value:
            raise ValueError('expected a list with "openid"')
        return value

    @field_validator("issuer", "redirect")
    @classmethod
    def _is_https(cls, value: str) -> str:
        parts = urlsplit(value)
        is_local = parts.scheme == "http" and parts.hostname in LOCAL_HOSTS
        if not parts.hostname or not (parts.scheme == "https" or is_local) or parts.query:
            raise ValueError(f"expected an address that begins with https://: {value}")
        return value

    @field_validator("redirect")
    @classmethod
    def _is_return(cls, value: str) -> str:
        if urlsplit(value).path != "/login/openid/return":
            raise ValueError(f"expected an address that ends with /login/openid/return: {value}")
        return value
