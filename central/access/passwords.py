"""Passwords: their hashes, and the check of a new one."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from edge.errors import UsageError

MIN_CHARS = 12
MAX_CHARS = 256
_COMMON = Path(__file__).parent / "common_passwords.txt"

# RFC 9106, section 4, second recommended option: 64 MiB, 3 passes, 4 lanes.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)
# Each computation takes 64 MiB. More logins at a time wait.
_TURN = threading.BoundedSemaphore(2)


class PasswordRefusedError(UsageError):
    """A new password is too short, too long, or one of the most common ones."""


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, with its parameters. Takes about 0.1 s."""
    with _TURN:
        return _HASHER.hash(password)


def verify_password(password: str, stored: str) -> bool:
    """Return whether the password belongs to the hash.

    stored: empty for an account without a password or for an unknown name. The computation takes
    the same time then, and the result is False.
    """
    known = stored or _unknown()
    with _TURN:
        try:
            is_right = bool(_HASHER.verify(known, password[: MAX_CHARS + 1]))
        except (VerificationError, InvalidHashError):
            is_right = False
    return is_right and bool(stored)


def is_outdated(stored: str) -> bool:
    """Return whether the hash has other parameters than new ones."""
    return _HASHER.check_needs_rehash(stored)


def check_new_password(password: str, name: str) -> None:
    """Check a new password of an account. Raises PasswordRefusedError.

    There are no rules about digits or signs (NIST SP 800-63B, section 5.1.1.2).
    """
    if len(password) < MIN_CHARS:
        raise PasswordRefusedError(
            f"the password has {len(password)} characters, expected at least {MIN_CHARS}"
        )
    if len(password) > MAX_CHARS:
        raise PasswordRefusedError(f"the password has more than {MAX_CHARS} characters")
    plain = password.casefold()
    if plain in _common() or _is_repeated(plain) or plain in _variants(name):
        raise PasswordRefusedError("the password is one of the most common ones, expected another")


def _is_repeated(plain: str) -> bool:
    """Return whether the text is one piece of up to 4 characters again and again."""
    return any((plain[:n] * len(plain))[: len(plain)] == plain for n in range(1, 5))


def _variants(name: str) -> set[str]:
    """Return passwords that consist of the name of the account and digits."""
    return {f"{name}{end}" for end in ("", "1", "123", "1234", "12345", "123456")} | {name * 2}


@cache
def _common() -> frozenset[str]:
    lines = _COMMON.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


@cache
def _unknown() -> str:
    """Return the hash of a password that nobody has, with the parameters of all others."""
    return _HASHER.hash("no account has this password")
