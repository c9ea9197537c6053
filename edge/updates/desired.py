"""The format of the desired state of a station, and its signatures.

A desired state is a JSON text that names the bundle a station is to run. A person signs it with an
operator key (Ed25519, RFC 8032). The text itself is signed and travels unchanged, so that a station
and a signing program read the same bytes. It travels as one retained message for each station.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.bundle.archive import MAX_BYTES
from edge.bundle.keys import public_of
from edge.bundle.manifest import BundleName, Version
from edge.errors import OutfeedError
from edge.events.committed import MAX_SEQUENCE
from edge.validation_messages import describe

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_MESSAGE_BYTES = 8 << 10
"""A longer message is refused."""

SERVER_PATH = "/bundles/v1"
"""The path of bundles on the server: GET SERVER_PATH/FILE, with ranges (RFC 9110, section 14)."""

MAX_BODY_CHARS = 4096
"""Most characters of the signed text."""

MAX_SIGNATURES = 4
"""Most signatures of one desired state."""

MAX_LIFE_S = 90 * 86_400
"""Longest time between the signature and the expiry, in seconds."""

# Signatures of bundles and commands begin with other prefixes, so none is valid as another.
_SIGNED = b"outfeed desired 1\n"

_Model = TypeVar("_Model", bound=BaseModel)
_Revision = Annotated[int, Field(ge=1, le=MAX_SEQUENCE)]
_Place = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,62})?$")]
_Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class _Strict(BaseModel):
    """A part of the signed text. An unknown key is refused, because it may restrict the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DesiredBundle(_Strict):
    """The bundle that a station is to run."""

    name: BundleName = Field(description="name of the bundle, as in its manifest")
    version: Version = Field(description="version of the bundle, as in its manifest")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the whole file, 64 hex digits"
    )
    size_bytes: Annotated[int, Field(ge=1, le=MAX_BYTES)] = Field(
        description="size of the file in bytes"
    )
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,150}\.outfeed$")] = Field(
        description="name of the file on the server of `updates.server`: one name, no folder"
    )


class ShadowLimits(_Strict):
    """The conditions of the shadow: the new bundle inspects live parts beside the running one.

    A station raises `parts` and `rejects` to the values of its [updates] section.
    """

    parts: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=3000, description="parts that both bundles have inspected, at least"
    )
    rejects: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=30, description="parts among them that the running bundle rejects, at least"
    )
    new_rejects: _Share = Field(
        default=0.005,
        description="limit for the share of parts that only the new bundle rejects; the upper "
        "95 % bound (Clopper and Pearson) has to be within it",
    )
    lost_rejects: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        default=0.2,
        description="limit for the share of the running bundle's rejects that the new bundle "
        "passes; marked true rejects and escapes must be found without exception",
    )
    hours: Annotated[float, Field(gt=0, le=2160, allow_inf_nan=False)] = Field(
        default=168.0, description="hours after which a shadow without enough parts has failed"
    )


class ProbationLimits(_Strict):
    """The conditions of the probation: the new bundle decides, and the old one stays ready."""

    parts: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=3000, description="parts that the new bundle has to decide, at least"
    )
    unknown: _Share = Field(
        default=0.01,
        description="limit for the share of UNKNOWN parts, over the last 1,000 parts at most",
    )
    reject_margin: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        default=0.005,
        description="the share of rejects may differ from the one in the shadow by this much, "
        "beyond the uncertainty of both",
    )
    hours: Annotated[float, Field(gt=0, le=2160, allow_inf_nan=False)] = Field(
        default=168.0, description="hours after which a probation without enough parts has failed"
    )


class DesiredBody(_Strict):
    """The signed text of a desired state."""

    type: Literal["outfeed.desired-state/1"] = Field(
        default="outfeed.desired-state/1", description="type and version of the text"
    )
    plant: _Place = Field(
        default="",
        description="plant of the station; a station with `updates.plant` refuses another one",
    )
    line: _Place = Field(
        default="",
        description="line of the station; a station with `updates.line` refuses another one",
    )
    station: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")] = Field(
        description="id of the one station; there are no wildcards"
    )
    revision: _Revision = Field(
        description="time of the signature in microseconds since 1970; a station takes ascending "
        "revisions only, over all keys"
    )
    expires: _Revision = Field(
        description="time after which no station begins anything by it, in seconds since 1970; at "
        f"most {MAX_LIFE_S // 86_400} days after the revision"
    )
    bundle: DesiredBundle | None = Field(
        description="the bundle to run; null: stay with the accepted bundle, and end every trial"
    )
    shadow: ShadowLimits = Field(
        default=ShadowLimits(), description="conditions of the shadow; ignored without a bundle"
    )
    probation: ProbationLimits = Field(
        default=ProbationLimits(), description="conditions of the probation"
    )
    allow_downgrade: bool = Field(
        default=False,
        description="true: a version below one that the station has accepted may run",
    )
    note: Annotated[str, Field(max_length=200)] = Field(
        default="", description="note for people, for instance the name of a rollout"
    )

    @model_validator(mode="after")
    def _check(self) -> DesiredBody:
        if not self.revision / 1e6 < self.expires <= self.revision / 1e6 + MAX_LIFE_S:
            raise ValueError(
                f"expires must be after the revision, by at most {MAX_LIFE_S // 86_400} days"
            )
        return self


class Signature(BaseModel):
    """One signature of a text."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="public key of the signer, 64 hex digits"
    )
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")] = Field(
        description="Ed25519 signature, hexadecimal"
    )


class SignedDesired(BaseModel):
    """A desired state with its signatures: the payload of the topic `…/STATION/desired`.

    It is published retained. An empty payload removes it, and changes nothing at the station.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["outfeed.desired/1"] = Field(
        default="outfeed.desired/1", description="type and version of the message"
    )
    body: Annotated[str, Field(max_length=MAX_BODY_CHARS, strict=True)] = Field(
        description="the signed text, JSON of DesiredBody"
    )
    signatures: Annotated[tuple[Signature, ...], Field(min_length=1, max_length=MAX_SIGNATURES)] = (
        Field(description=f"1 to {MAX_SIGNATURES} signatures; `updates.signers` have to be known")
    )

    @property
    def desired_id(self) -> str:
        """Return the id: 32 hex digits of the SHA-256 over the prefix and the text."""
        return hashlib.sha256(_SIGNED + _bytes(self.body)).hexdigest()[:32]

    def signers(self, operators: Collection[str]) -> tuple[str, ...]:
        """Return the operators that signed the text, each once. Takes 0.1 ms for each signature.

        operators: public keys in 64 hex digits.
        """
        known = dict.fromkeys(each.key for each in self.signatures if each.key in operators)
        return tuple(key for key in known if self._is_signed_by(key))

    def read(self) -> DesiredBody:
        """Return the contents. Raises OutfeedError with one line."""
        return _validated(DesiredBody, self.body, "the signed text is no desired state")

    def payload(self) -> bytes:
        """Return the message for the broker."""
        return self.model_dump_json().encode()

    def _is_signed_by(self, key: str) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        for each in self.signatures:
            if each.key != key:
                continue
            try:
                public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
                public.verify(bytes.fromhex(each.signature), _SIGNED + _bytes(self.body))
            except (InvalidSignature, ValueError):
                continue
            return True
        return False


def sign_desired(body: DesiredBody, *keys: Ed25519PrivateKey) -> SignedDesired:
    """Return the desired state, signed with one or more operator keys."""
    text = body.model_dump_json()
    return SignedDesired(body=text, signatures=tuple(_signature(text, key) for key in keys))


def co_sign(desired: SignedDesired, key: Ed25519PrivateKey) -> SignedDesired:
    """Return the desired state with a further signature. Raises OutfeedError if it is full."""
    public = public_of(key)
    others = tuple(each for each in desired.signatures if each.key != public)
    if len(others) >= MAX_SIGNATURES:
        raise OutfeedError(f"the desired state has {MAX_SIGNATURES} signatures already")
    return desired.model_copy(update={"signatures": (*others, _signature(desired.body, key))})


def read_desired(payload: str | bytes) -> SignedDesired:
    """Return a desired state from its message. Its signatures are not checked.

    Raises OutfeedError with one line.
    """
    if len(payload) > MAX_MESSAGE_BYTES:
        raise OutfeedError(
            f"not a desired state: {len(payload)} bytes, at most {MAX_MESSAGE_BYTES} are read"
        )
    return _validated(SignedDesired, payload, "not a desired state")


def _signature(text: str, key: Ed25519PrivateKey) -> Signature:
    return Signature(key=public_of(key), signature=key.sign(_SIGNED + _bytes(text)).hex())


def _validated(model: type[_Model], text: str | bytes, what: str) -> _Model:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise OutfeedError(f"{what}: {describe(error)}") from error


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
