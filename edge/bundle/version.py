"""The version of a bundle: dotted numbers, which are compared, and an optional label."""

from __future__ import annotations

# For instance 1.4.2+trial: at most 8 numbers of at most 9 digits.
VERSION_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9}){0,7}(\+[0-9A-Za-z._-]{1,32})?$"


def version_key(version: str) -> tuple[int, ...]:
    """Return the key for comparing versions: 1.10 is above 1.9, and 1.0 equals 1.

    version: one that VERSION_PATTERN accepts; ValueError otherwise.
    """
    numbers = [int(number) for number in version.partition("+")[0].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def raised(version: str) -> str:
    """Return the next version, with its last number plus one: 1.5+trial after 1.4+trial.

    version: one that VERSION_PATTERN accepts. Raises ValueError if the number has no more digits.
    """
    numbers, plus, label = version.partition("+")
    head, _, last = numbers.rpartition(".")
    following = str(int(last) + 1)
    if len(following) > 9:
        raise ValueError(f"version {version} cannot be raised by one")
    return f"{head}.{following}{plus}{label}" if head else f"{following}{plus}{label}"
