"""The state that the boot loader keeps: the order of the slots and their attempts.

The boot loader takes the first slot of ``order`` that has attempts left, and counts the attempt
before it starts the slot. A confirmed slot gets ATTEMPTS again at each start that succeeds. A slot
on trial has one attempt: unless it is confirmed, the next start takes the other slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from edge.errors import OutfeedError

Slot = Literal["A", "B"]
SLOTS: tuple[Slot, Slot] = ("A", "B")
ATTEMPTS = 3
_MOST = 9


class BootStateError(OutfeedError):
    """The state of the boot loader cannot be read, written or used."""


@dataclass(frozen=True, slots=True)
class SlotState:
    """The state of one slot.

    Attributes:
        left: Attempts that the boot loader still makes.
        good: The slot was confirmed since it was written.
    """

    left: int
    good: bool

    @property
    def bootable(self) -> bool:
        """The boot loader would take it."""
        return self.left > 0


@dataclass(frozen=True, slots=True)
class BootState:
    """The order of the slots, and the state of each."""

    order: tuple[Slot, Slot] = ("A", "B")
    a: SlotState = SlotState(ATTEMPTS, True)
    b: SlotState = SlotState(0, False)

    def of(self, slot: Slot) -> SlotState:
        """Return the state of a slot."""
        return self.a if slot == "A" else self.b

    def primary(self) -> Slot:
        """Return the slot that the next start takes."""
        for slot in self.order:
            if self.of(slot).bootable:
                return slot
        for slot in self.order:
            if self.of(slot).good:
                return slot
        return self.order[0]

    def on_trial(self, slot: Slot) -> BootState:
        """Return the state in which the next start takes a new slot, once."""
        return replace(self._with(slot, SlotState(1, False)), order=(slot, other(slot)))

    def confirmed(self, slot: Slot) -> BootState:
        """Return the state in which this slot is the first, with all attempts."""
        return replace(self._with(slot, SlotState(ATTEMPTS, True)), order=(slot, other(slot)))

    def started(self, slot: Slot) -> BootState:
        """Return the state after a start of a confirmed slot that succeeded."""
        return self._with(slot, SlotState(ATTEMPTS, True)) if self.of(slot).good else self

    def refused(self, slot: Slot) -> BootState:
        """Return the state in which this slot is not started again, and the other one is first.

        Raises:
            BootStateError: The other slot was never confirmed. A unit with no slot is of no use.
        """
        rest = other(slot)
        if not self.of(rest).good:
            raise BootStateError(f"slot {slot} stays: slot {rest} holds no confirmed system")
        changed = self._with(slot, SlotState(0, False))._with(rest, SlotState(ATTEMPTS, True))
        return replace(changed, order=(rest, slot))

    def written(self, slot: Slot) -> BootState:
        """Return the state while a slot is being overwritten: it cannot be started."""
        return replace(self._with(slot, SlotState(0, False)), order=(other(slot), slot))

    def variables(self) -> dict[str, str]:
        """Return the names and values that the boot loader knows."""
        return {
            "BOOT_ORDER": " ".join(self.order),
            **{f"BOOT_{slot}_LEFT": str(self.of(slot).left) for slot in SLOTS},
            **{f"BOOT_{slot}_GOOD": str(int(self.of(slot).good)) for slot in SLOTS},
        }

    def _with(self, slot: Slot, state: SlotState) -> BootState:
        return replace(self, a=state) if slot == "A" else replace(self, b=state)


def other(slot: Slot) -> Slot:
    """Return the other slot."""
    return "B" if slot == "A" else "A"


def parse_slot(text: str) -> Slot:
    """Return a slot by its name.

    Raises:
        BootStateError: The text is neither A nor B.
    """
    if text == "A":
        return "A"
    if text == "B":
        return "B"
    raise BootStateError(f"slot: expected A or B, found '{text}'")


def parse_variables(found: Mapping[str, str]) -> BootState:
    """Return the state of names and values.

    Raises:
        BootStateError: A name is missing, or a value is not of its form.
    """
    order = found.get("BOOT_ORDER", "").split()
    if sorted(order) != list(SLOTS):
        raise BootStateError(f"BOOT_ORDER: expected 'A B' or 'B A', found '{' '.join(order)}'")
    first = parse_slot(order[0])
    states = {}
    for slot in SLOTS:
        left, good = found.get(f"BOOT_{slot}_LEFT", ""), found.get(f"BOOT_{slot}_GOOD", "")
        if not (left.isdecimal() and int(left) <= _MOST):
            raise BootStateError(f"BOOT_{slot}_LEFT: expected 0 to {_MOST}, found '{left}'")
        if good not in ("0", "1"):
            raise BootStateError(f"BOOT_{slot}_GOOD: expected 0 or 1, found '{good}'")
        states[slot] = SlotState(int(left), good == "1")
    return BootState((first, other(first)), states["A"], states["B"])
