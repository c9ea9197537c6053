"""The state of the slots and of the last update, for people and as JSON."""

from __future__ import annotations

import json

from edge.updates.system.boot_loader import open_loader, read_image
from edge.updates.system.boot_state import SLOTS
from edge.updates.system.record import read_record


def report() -> str:
    """Return the lines of ``outfeed system status``. Raises BootStateError."""
    image = read_image()
    state = open_loader(image).read()
    lines = [f"version {image.version} for {image.compatible}, started from slot {image.slot}"]
    for slot in SLOTS:
        found = state.of(slot)
        words = "confirmed" if found.good else ("on trial" if found.left else "not usable")
        first = ", first at the next start" if state.primary() == slot else ""
        lines.append(f"slot {slot}: {words}, attempts left: {found.left}{first}")
    record = read_record()
    if record.phase != "none":
        reason = f" ({record.reason})" if record.reason else ""
        lines.append(f"last update: {record.version} in slot {record.slot}: {record.phase}{reason}")
    return "\n".join(lines)


def report_json() -> str:
    """Return the same as JSON. Raises BootStateError."""
    image = read_image()
    state = open_loader(image).read()
    slots = {slot: {"good": state.of(slot).good, "left": state.of(slot).left} for slot in SLOTS}
    return json.dumps(
        {
            "board": image.board,
            "compatible": image.compatible,
            "version": image.version,
            "slot": image.slot,
            "next": state.primary(),
            "slots": slots,
            "update": json.loads(read_record().model_dump_json()),
        },
        indent=1,
    )
