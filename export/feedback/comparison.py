"""What the old bundle and the new one say of the same parts, and whether the new one may ship."""

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
    """One part. bad: it is defective. before, after: whether it is rejected. A frame that the chain
    refuses is rejected: it is not passed as good. side set in: a bad part that was made of the new
    look (models/feedback/appearance_transfer.py), or a painted flaw."""

    name: str
    side: Side
    bad: bool
    before: bool
    after: bool

    @property
    def new_escape(self) -> bool:
        return self.bad and self.before and not self.after


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one side: parts, and mistakes before and after."""

    bad: int
    good: int
    escapes_before: int
    escapes_after: int
    false_rejects_before: int
    false_rejects_after: int

    @property
    def before(self) -> int:
        return self.escapes_before + self.false_rejects_before

    @property
    def after(self) -> int:
        return self.escapes_after + self.false_rejects_after


def count(rulings: Iterable[Ruling]) -> Counts:
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
    return [ruling for ruling in rulings if ruling.side in sides]


def open_chain(bundle: Bundle) -> Inspector:
    """The chain of the build that the bundle is judged by, proven on its golden frames. Raises
    BundleError."""
    engine = engine_of(bundle.manifest.builds[0])
    inspector = build_inspector(bundle, now_ns=time.perf_counter_ns, engine=engine)
    prove(bundle, inspector, engine)
    return inspector


def rejected(inspector: Inspector, picture: Picture) -> bool:
    """Blocks for the chain."""
    try:
        return inspector.inspect(Frame(0, 0, 0, 0, picture.pixels)).decision is Decision.REJECT
    except FrameError:
        return True


def golden_fault(old: Bundle, new: Bundle) -> str | None:
    """The first golden frame of the old bundle on which a build of the new one decides otherwise,
    in words."""
    for build in new.manifest.builds:
        engine = engine_of(build)
        inspector = build_inspector(new, now_ns=time.perf_counter_ns, engine=engine)
        for golden in old.manifest.golden:
            pixels = decode_image(old.files[golden.file], name=golden.file)
            decision = inspector.inspect(Frame(0, 0, 0, 0, pixels)).decision.value
            if decision != golden.decision:
                return (
                    f"golden frame {golden.file} of {old.id} is {decision} on {build.name}, and "
                    f"was {golden.decision}"
                )
    return None


def fault(rulings: Sequence[Ruling], limits: Limits) -> str | None:
    """Why the new bundle may not take the old one's place, in words; None where it may."""
    escapes = [r.name for r in rulings if r.new_escape and r.side != "synthetic"]
    if len(escapes) > limits.new_escapes:
        return (
            f"{len(escapes)} new escapes, {limits.new_escapes} allowed: {escapes[0]} was rejected "
            "and would be passed"
        )
    made = of_side(rulings, "synthetic")
    seen, faded = sum(r.before for r in made), sum(r.new_escape for r in made)
    if faded > int(limits.synthetic_escapes * seen):
        return (
            f"{faded} of {seen} bad parts that were made of the new look would be passed, "
            f"{int(limits.synthetic_escapes * seen)} allowed"
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
        return f"{marked.after} marked parts would be judged wrongly, {marked.before} before"
    held_back = count(of_side(rulings, "held back"))
    if held_back.after > (1 - limits.fixed) * held_back.before:
        return (
            f"{held_back.after} marked parts that it did not learn from would be judged wrongly, "
            f"{held_back.before} before; {limits.fixed:.0%} of them must come right"
        )
    return None
