"""The people at the page: their file, their passwords, and who is logged in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import ConfigError
from edge.files import read_regular_file
from edge.validation_messages import describe

_log = getLogger(__name__)

Right = Literal["view", "mark"]
MIN_PASSWORD_CHARS = 8
MAX_PASSWORD_CHARS = 200
MAX_NAME_CHARS = 40
SESSION_S = 12 * 3600.0

_MAX_BYTES = 256 << 10
_MOST_PEOPLE = 500
_MOST_SESSIONS = 200
# scrypt (RFC 7914): 16 MiB, some 50 ms on a desktop processor.
_COST, _BLOCK, _LANES = 1 << 14, 8, 1
_MOST_TRIES = 10
_TRIES_S = 60.0


class PeopleError(ConfigError):
    """The file of the people cannot be read or written."""


class Person(BaseModel):
    """A person who may log in. password: a hash, as ``hash_password`` returns it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
    may: Right
    password: Annotated[str, Field(pattern=r"^scrypt\$[A-Za-z0-9+/=]{24}\$[A-Za-z0-9+/=]{44}$")]


class PeopleFile(BaseModel):
    """The content of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    type: Literal["outfeed.page-people/1"] = "outfeed.page-people/1"
    people: Annotated[list[Person], Field(max_length=_MOST_PEOPLE)] = []


def read_people(path: Path) -> PeopleFile:
    """Return the content of a file of people. Raises PeopleError, one line with the file."""
    try:
        data = read_regular_file(path, _MAX_BYTES)
    except OSError as error:
        raise PeopleError(f"page.people: {path}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise PeopleError(f"page.people: {path}: is larger than {_MAX_BYTES >> 10} KiB")
    try:
        return PeopleFile.model_validate_json(data)
    except ValidationError as error:
        raise PeopleError(f"page.people: {path}: {describe(error)}") from error


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Return the hash of a password for the file. Blocks for some 50 ms, longer on a small board.

    salt: 16 bytes; None: new ones.
    """
    salt = secrets.token_bytes(16) if salt is None else salt
    made = hashlib.scrypt(
        password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_LANES, dklen=32, maxmem=64 << 20
    )
    return f"scrypt${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}"


@dataclass(frozen=True, slots=True)
class Session:
    """A browser of a person. token: a form of this person has it, so that another site's has not.

    until_s: the end by the clock of ``PagePeople``.
    """

    name: str
    password: str
    token: str
    until_s: float


class PagePeople:
    """The people who may log in, and their sessions. Any thread may call.

    The file is read again at each use where it changed, so a person who is removed from it is
    logged out. Sessions end after 12 hours, and with the process.
    """

    def __init__(self, path: Path, now_s: Callable[[], float] = time.monotonic) -> None:
        """Read the file. Raises PeopleError."""
        self._path = path
        self._now_s = now_s
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._failed_s: deque[float] = deque(maxlen=_MOST_TRIES)
        self._stamp = self._stamp_now()
        self._people = {each.name: each for each in read_people(path).people}
        self._none = hash_password(secrets.token_hex(16))

    def log_in(self, name: str, password: str) -> str | None:
        """Return the secret of a new session; None for a wrong name or password, and while there
        were ten failures in the last minute. Blocks for the hash."""
        with self._lock:
            self._look()
            now_s = self._now_s()
            if len(self._failed_s) == _MOST_TRIES and now_s - self._failed_s[0] < _TRIES_S:
                return None
            person = self._people.get(name)
            # A name that does not exist takes as long as a wrong password.
            stored = self._none if person is None else person.password
            salt = base64.b64decode(stored.split("$")[1])
            made = hash_password(password[:MAX_PASSWORD_CHARS], salt)
            if person is None or not hmac.compare_digest(made, stored):
                self._failed_s.append(now_s)
                _log.warning("page_login_refused name=%r", name[:MAX_NAME_CHARS])
                return None
            secret = secrets.token_urlsafe(24)
            token = secrets.token_urlsafe(24)
            self._sessions[_key(secret)] = Session(name, person.password, token, now_s + SESSION_S)
            while len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)
            return secret

    def find(self, secret: str) -> tuple[Person, Session] | None:
        """Return the person of a session; None where there is none, or it has ended."""
        with self._lock:
            self._look()
            session = self._sessions.get(_key(secret))
            if session is None:
                return None
            person = self._people.get(session.name)
            is_same = person is not None and person.password == session.password
            if not is_same or self._now_s() > session.until_s:
                del self._sessions[_key(secret)]
                return None
            assert person is not None
            return person, session

    def log_out(self, secret: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_key(secret), None)

    def _look(self) -> None:
        """Read the file again if it changed. One that cannot be read now changes nothing."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        try:
            people = read_people(self._path).people
        except PeopleError as error:
            _log.warning("page_people_not_read reason=%s", error)
            return
        self._stamp = stamp
        self._people = {each.name: each for each in people}

    def _stamp_now(self) -> tuple[int, int]:
        try:
            state = self._path.stat()
        except OSError:
            return 0, 0
        return state.st_mtime_ns, state.st_size


def _key(secret: str) -> str:
    """Return the key of a session. The secrets themselves are not kept."""
    return hashlib.sha256(secret.encode()).hexdigest()
