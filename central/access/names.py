"""The names of accounts, plants and lines."""

from __future__ import annotations

import re

from edge.errors import UsageError

_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_MAX_PLACE = 64


def check_account_name(name: str) -> str:
    """Return the name of an account in lower case. Raises UsageError."""
    plain = name.casefold()
    if not _ACCOUNT.fullmatch(plain):
        raise UsageError(
            f"the name of an account has 1 to 64 letters a to z, digits and . _ @ + -, "
            f"expected for instance m.weber: {name[:80]!r}"
        )
    return plain


def is_account_name(name: str) -> bool:
    """Return whether an account may have this name."""
    return _ACCOUNT.fullmatch(name.casefold()) is not None


def check_place_name(name: str) -> str:
    """Return the name of a plant or line without spaces around it. Raises UsageError."""
    plain = name.strip()
    if not plain or len(plain) > _MAX_PLACE or not plain.isprintable() or "/" in plain:
        raise UsageError(
            f"the name of a plant or line has 1 to {_MAX_PLACE} characters and no slash: "
            f"{name[:80]!r}"
        )
    return plain
