"""learn.json: the record of a retraining, with the parts and the changed decisions."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

RECORD = "learn.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SettingsRecord(_Part):
    threshold: float
    keep_severity: float | None
    reject_severity: float | None = None


class FeedbackSideRecord(_Part):
    """The parts of one side, and the wrong verdicts on them before and after."""

    bad: int
    good: int
    escapes_before: int
    escapes_after: int
    false_rejects_before: int
    false_rejects_after: int


class TriedRoute(_Part):
    """A route that was tried. fault: the limit that it exceeds; "" where there is none."""

    route: str
    settings: SettingsRecord | None
    fault: str


class ChangedRecord(_Part):
    """A part with another decision than before."""

    name: str
    side: str
    bad: bool
    before: str
    after: str


class LearnRecord(_Part):
    """The record of a retraining.

    learned, held_back: ids of the marked parts. left_out: right verdicts on the marked parts, each
    at a T chosen without it, and the number of these parts; None where a network was trained on
    them. proven: a sentence on the verdicts on held-back marked parts, before and after.
    """

    old_run: str
    old_bundle: str
    bundle: str
    route: str
    before: SettingsRecord
    after: SettingsRecord
    classifier_changed: bool
    detector_changed: bool
    new_escapes_allowed: int
    more_false_rejects_allowed: float
    synthetic_escapes_allowed: float
    golden_frames: int
    sides: dict[str, FeedbackSideRecord]
    changed: tuple[ChangedRecord, ...]
    tried: tuple[TriedRoute, ...]
    learned: tuple[str, ...]
    held_back: tuple[str, ...]
    left_out: tuple[int, int] | None
    proven: str
