"""The comparison of the old and the new bundle on the same parts, and the check of the limits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.bundle import Bundle
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector, prove
from edge.errors import FrameError
from edge.images import decode_image
from edge.records import Decision, Frame
from export.chains import engine_of
from models.feedback import Limits
from models.training.patches import Picture

Side = Literal["validation", "synthetic", "learned", "held back"]


@dataclass(frozen=True, slots=True)
class Ruling:
    """The decisions of both bundles on one part.

    A frame that the chain cannot inspect counts as rejected, because it is not passed.

    Attributes:
        name: name of the part.
        side: the set of the part. "synthetic" holds generated bad parts with the new appearance
            (models/feedback/appearance_transfer.py), or parts with synthetic defects.
        bad: true for a defective part.
        before: true where the old bundle rejects it.
        after: true where the new bundle rejects it.
    """

    name: str
    side: Side
    bad: bool
    before: bool
    after: bool

    @property
    def new_escape(self) -> bool:
        """Return true for a bad part that only the old bundle rejects."""
        return self.bad and self.before and not self.after


@dataclass(frozen=True, slots=True)
class Counts:
    """The parts of one side, and the wrong verdicts before and after."""

    bad: int
    good: int
    escapes_before: int
    escapes_after: int
    false_rejects_before: int
    false_rejects_after: int

    @property
    def before(self) -> int:
        """Return the number of wrong verdicts of the old bundle."""
        return self.escapes_before + self.false_rejects_before

    @property
    def after(self) -> int:
        """Return the number of wrong verdicts of the new bundle."""
        return self.escapes_after + self.false_rejects_after


def count(rulings: Iterable[Ruling]) -> Counts:
    """Count parts and wrong verdicts."""
    some = list(rulings)
    bad, good = [r for r in some if r.bad], [r for r in some if not r.bad]
    return Counts(
        len(bad),
        len(good),
        sum(not r.before for r in bad),
        sum(not r.after for r in bad),
        sum(r.before for r in good),
        sum(r.after for r in good),
    )


def of_side(rulings: Iterable[Ruling], *sides: Side) -> list[Ruling]:
    """Return the parts of the named sides."""
    return [ruling for ruling in rulings if ruling.side in sides]


def open_chain(bundle: Bundle) -> Inspector:
    """Return the chain of the first build, after it has reproduced the golden frames.

    Raises BundleError.
    """
    engine = engine_of(bundle.manifest.builds[0])
    inspector = build_inspector(bundle, now_ns=time.perf_counter_ns, engine=engine)
    prove(bundle, inspector, engine)
    return inspector


def rejected(inspector: Inspector, picture: Picture) -> bool:
    """Return true where the chain rejects the picture or cannot inspect it. Blocks."""
    try:
        return inspector.inspect(Frame(0, 0, 0, 0, picture.pixels)).decision is Decision.REJECT
    except FrameError:
        return True


def golden_fault(old: Bundle, new: Bundle) -> str | None:
    """Return a sentence on the first golden frame with another decision; None where all agree.

    The frames are those of the old bundle. Every build of the new bundle is checked.
    """
    for build in new.manifest.builds:
        engine = engine_of(build)
        inspector = build_inspector(new, now_ns=time.perf_counter_ns, engine=engine)
        for golden in old.manifest.golden:
            pixels = decode_image(old.files[golden.file], name=golden.file)
            decision = inspector.inspect(Frame(0, 0, 0, 0, pixels)).decision.value
            if decision != golden.decision:
                return (
                    f"golden frame {golden.file} of {old.id} is {decision} on {build.name}; it "
                    f"was {golden.decision}"
                )
    return None


def fault(rulings: Sequence[Ruling], limits: Limits) -> str | None:
    """Return a sentence on the limit that the new bundle exceeds; None where it exceeds none."""
    escapes = [r.name for r in rulings if r.new_escape and r.side != "synthetic"]
    if len(escapes) > limits.new_escapes:
        return (
            f"{len(escapes)} new escapes, {limits.new_escapes} allowed: {escapes[0]} was rejected "
            "and would be passed"
        )
    made = of_side(rulings, "synthetic")
    rejected_before, passed = sum(r.before for r in made), sum(r.new_escape for r in made)
    if passed > int(limits.synthetic_escapes * rejected_before):
        return (
            f"{passed} of {rejected_before} synthetic bad parts would be passed, "
            f"{int(limits.synthetic_escapes * rejected_before)} allowed"
        )
    validation = count(of_side(rulings, "validation"))
    allowed = validation.false_rejects_before + int(limits.more_false_rejects * validation.good)
    if validation.false_rejects_after > allowed:
        return (
            f"{validation.false_rejects_after} of {validation.good} good validation parts would be "
            f"rejected, {allowed} allowed ({validation.false_rejects_before} before)"
        )
    marked = count(of_side(rulings, "learned", "held back"))
    if marked.after >= marked.before:
        return f"{marked.after} marked parts would have a wrong verdict, {marked.before} before"
    held_back = count(of_side(rulings, "held back"))
    if held_back.after > (1 - limits.fixed) * held_back.before:
        return (
            f"{held_back.after} held-back marked parts would have a wrong verdict, "
            f"{held_back.before} before; {limits.fixed:.0%} of these verdicts must become right"
        )
    return None
