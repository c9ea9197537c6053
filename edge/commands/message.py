"""The format of signed commands, and their signature.

A command is a JSON text that a person signs with an operator key (Ed25519, RFC 8032). The text
itself is signed and travels unchanged, so that a station and a signing program read the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.errors import OutfeedError
from edge.events.committed import MAX_SEQUENCE
from edge.inbox import MAX_NOTE_CHARS
from edge.validation_messages import describe

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_MESSAGE_BYTES = 48 << 10
"""A longer message is refused as a whole."""

MAX_COMMANDS = 16
"""Most commands of one message."""

MAX_BODY_CHARS = 2048
"""Most characters of the signed text."""

MAX_RESEND = 10_000
"""Most numbers of one resend command."""

MAX_LIFE_S = 30 * 86_400
"""Longest time between the signature and the expiry, in seconds."""

# Signatures over bundles begin with another prefix, so neither is valid as the other.
_SIGNED = b"outfeed command 1\n"

_Model = TypeVar("_Model", bound=BaseModel)
_Sequence = Annotated[int, Field(ge=1, le=MAX_SEQUENCE)]


class _Strict(BaseModel):
    """A part of a signed text. An unknown key is refused, because it may restrict the command."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MarkAction(_Strict):
    """Mark one part, as `outfeed mark` does.

    The mark `self-test` is missing. It may fail the self-test, and then the station rejects other
    parts than before.
    """

    kind: Literal["mark"] = Field(default="mark", description="kind of the command")
    part_id: _Sequence = Field(description="number of the part")
    mark: Literal["escape", "false-reject", "true-reject", "look"] = Field(
        description="the mark, as in the event `outfeed.mark/1`"
    )
    note: str = Field(default="", max_length=MAX_NOTE_CHARS, description="note of the person")


class ResendAction(_Strict):
    """Publish events of the journal again."""

    kind: Literal["resend"] = Field(default="resend", description="kind of the command")
    first: _Sequence = Field(description="first sequence number")
    last: _Sequence = Field(
        description=f"last sequence number, inclusive; at most {MAX_RESEND} numbers"
    )

    @model_validator(mode="after")
    def _check(self) -> ResendAction:
        if not 0 <= self.last - self.first < MAX_RESEND:
            raise ValueError(f"resend takes 1 to {MAX_RESEND} numbers, first to last")
        return self


class PictureAction(_Strict):
    """Send the stored picture of one part before all others."""

    kind: Literal["picture"] = Field(default="picture", description="kind of the command")
    part_id: _Sequence = Field(description="number of the part")


CommandAction = Annotated[MarkAction | ResendAction | PictureAction, Field(discriminator="kind")]
"""The task of a command. A station refuses a kind that it does not know."""


class CommandBody(_Strict):
    """The signed text of a command."""

    type: Literal["outfeed.command/1"] = Field(
        default="outfeed.command/1", description="type and version of the command"
    )
    station: str = Field(max_length=63, description="id of the station")
    journal: str = Field(max_length=64, description="UUID of the station's journal")
    run: str = Field(
        max_length=16,
        description="a run of the station, for instance the one of its latest event; a copied "
        "storage card does not have the runs that the other station drew after the copy",
    )
    counter: _Sequence = Field(
        description="time of the signature in microseconds since 1970; a station accepts the "
        "commands of each key in ascending order only"
    )
    expires: Annotated[int, Field(ge=1, le=MAX_SEQUENCE)] = Field(
        description="time after which no station accepts the command, in seconds since 1970; at "
        "most 30 days after the signature"
    )
    action: CommandAction = Field(description="what the command asks for")


class SignedCommand(BaseModel):
    """A command with its signature."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    body: str = Field(max_length=MAX_BODY_CHARS, description="the signed text, JSON of CommandBody")
    key: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="public key of the signer, 64 hex digits"
    )
    signature: str = Field(pattern=r"^[0-9a-f]{128}$", description="Ed25519 signature, hexadecimal")

    @property
    def command_id(self) -> str:
        """Return the id: 32 hex digits over text, key and signature.

        A copy with another signature has another id, so no one can answer in the name of a command.
        """
        whole = bytes.fromhex(self.key) + bytes.fromhex(self.signature) + _bytes(self.body)
        return hashlib.sha256(_SIGNED + whole).hexdigest()[:32]

    def is_signed(self) -> bool:
        """Return True if the signature of ``key`` fits the text. Takes some 0.1 ms."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.key))
            public.verify(bytes.fromhex(self.signature), _SIGNED + _bytes(self.body))
        except (InvalidSignature, ValueError):
            return False
        return True

    def read(self) -> CommandBody:
        """Return the contents. Raises OutfeedError with one line."""
        return _validated(CommandBody, self.body, "the signed text is no command")


class CommandsMessage(BaseModel):
    """Signed commands to one station.

    Publish it retained, with every command that the station has not answered yet. A station looks
    at the commands in this order, and at each command once.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["outfeed.commands/1"] = Field(
        default="outfeed.commands/1", description="type and version of the message"
    )
    commands: Annotated[tuple[SignedCommand, ...], Field(max_length=MAX_COMMANDS)] = Field(
        description=f"the commands, ascending by counter; at most {MAX_COMMANDS}"
    )


def sign_command(body: CommandBody, key: Ed25519PrivateKey) -> SignedCommand:
    """Return the command, signed with an operator key."""
    text = body.model_dump_json()
    signature = key.sign(_SIGNED + text.encode()).hex()
    return SignedCommand(
        body=text, key=key.public_key().public_bytes_raw().hex(), signature=signature
    )


def read_signed(text: str | bytes) -> SignedCommand:
    """Return one signed command from its JSON. Raises OutfeedError with one line."""
    return _validated(SignedCommand, text, "not a signed command")


def commands_message(commands: list[SignedCommand]) -> bytes:
    """Return the payload of the topic of commands. commands: at most MAX_COMMANDS, in order."""
    return CommandsMessage(commands=tuple(commands)).model_dump_json().encode()


def split_message(payload: bytes) -> list[bytes]:
    """Return the commands of a message, each as JSON. Each may still be no command.

    An empty payload has none: that is how a retained message is removed. Raises OutfeedError with
    one line where the whole message cannot be read.
    """
    if not payload:
        return []
    if len(payload) > MAX_MESSAGE_BYTES:
        raise OutfeedError(
            f"not a message of commands: {len(payload)} bytes, at most {MAX_MESSAGE_BYTES} are read"
        )
    message = _validated(_Message, payload, "not a message of commands")
    return [json.dumps(each).encode("utf-8", "surrogatepass") for each in message.commands]


class _Message(BaseModel):
    """A message whose commands are read one by one. A wrong one does not hide the others."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["outfeed.commands/1"]
    commands: Annotated[tuple[Any, ...], Field(max_length=MAX_COMMANDS)]


def _validated(model: type[_Model], text: str | bytes, what: str) -> _Model:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise OutfeedError(f"{what}: {describe(error)}") from error


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
