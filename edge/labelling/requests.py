"""The requests of the page, checked before anything uses them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.labelling.names import MOST_KIND_CHARS, MOST_PERSON_CHARS

MOST_BODY_BYTES = 8 << 20  # a mask with a million runs; a drawn one has some hundreds
MOST_NUMBERS = 2_000_000
MOST_KINDS = 60
_Name = Annotated[str, Field(min_length=1, max_length=4096)]
_Session = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_Person = Annotated[str, Field(min_length=1, max_length=MOST_PERSON_CHARS)]
_Kind = Annotated[str, Field(min_length=1, max_length=MOST_KIND_CHARS)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LoginRequest(_Request):
    """The code that the command printed."""

    code: Annotated[str, Field(max_length=100)]


class SessionRequest(_Request):
    """A tab of a browser. session: random. person: the name that its user entered."""

    session: _Session
    person: _Person


class OpenRequest(SessionRequest):
    """The opening of a picture."""

    name: _Name


class NextRequest(SessionRequest):
    """The next picture without a label. after: the picture that the page shows now, or ''."""

    after: Annotated[str, Field(max_length=4096)] = ""


class BeatRequest(SessionRequest):
    """A report that the page is open. name: the picture that it shows, or ''."""

    name: Annotated[str, Field(max_length=4096)] = ""


class KindRequest(SessionRequest):
    """A new kind of defect."""

    kind: Annotated[str, Field(max_length=200)]


class SaveRequest(SessionRequest):
    """A label. masks: runs by kind. kind: of a bad part without a mask, or ''."""

    name: _Name
    version: Annotated[str, Field(max_length=64)]
    label: Literal["good", "bad", "skipped", "none"]
    kind: Annotated[str, Field(max_length=MOST_KIND_CHARS)] = ""
    masks: Annotated[
        dict[_Kind, Annotated[list[int], Field(max_length=MOST_NUMBERS)]],
        Field(max_length=MOST_KINDS),
    ] = {}
