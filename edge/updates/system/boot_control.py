"""RAUC's custom boot loader backend: ``python -m edge.updates.system.boot_control``.

RAUC calls it with get-primary, set-primary SLOT, get-state SLOT, or set-state SLOT good|bad, and
reads one word from standard output. While RAUC writes a slot it marks it bad first.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edge.updates.system.boot_loader import BootLoader, open_loader, read_image
from edge.updates.system.boot_state import BootStateError, other, parse_slot

_USAGE = "expected get-primary, set-primary SLOT, get-state SLOT or set-state SLOT good|bad"


def main(arguments: Sequence[str] | None = None, loader: BootLoader | None = None) -> int:
    """Do what RAUC asks. Return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        loader = loader or open_loader(read_image())
        answer = _answer(words, loader)
    except BootStateError as error:
        print(f"boot-control: {error}", file=sys.stderr)
        return error.exit_status
    if answer is None:
        print(f"boot-control: {_USAGE}", file=sys.stderr)
        return 2
    print(answer, end="\n" if answer else "")
    return 0


def _answer(words: list[str], loader: BootLoader) -> str | None:
    state = loader.read()
    match words:
        case ["get-primary"]:
            return state.primary()
        case ["set-primary", name]:
            slot = parse_slot(name)
            # A slot that was confirmed needs no trial: the way back to it is always open.
            loader.write(state.confirmed(slot) if state.of(slot).good else state.on_trial(slot))
            return ""
        case ["get-state", name]:
            slot = parse_slot(name)
            return "good" if state.of(slot).good else "bad"
        case ["set-state", name, "good"]:
            loader.write(state.confirmed(parse_slot(name)))
            return ""
        case ["set-state", name, "bad"]:
            slot = parse_slot(name)
            # RAUC does this before it overwrites a slot, which then is not the one in use.
            loader.write(state.written(slot) if state.of(other(slot)).good else state)
            return ""
        case _:
            return None


if __name__ == "__main__":
    sys.exit(main())
