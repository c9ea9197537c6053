"""learn.json: what was learned, from what, and what it changed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

RECORD = "learn.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SettingsRecord(_Part):
    threshold: float
    keep_severity: float | None


class FeedbackSideRecord(_Part):
    """Parts of one side, and how many of them are judged wrongly."""

    bad: int
    good: int
    escapes_before: int
    escapes_after: int
    false_rejects_before: int
    false_rejects_after: int


class TriedRoute(_Part):
    """fault: why it was not taken; '' where it was."""

    route: str
    settings: SettingsRecord | None
    fault: str


class ChangedRecord(_Part):
    """A part whose decision is another one now."""

    name: str
    side: str
    bad: bool
    before: str
    after: str


class LearnRecord(_Part):
    """learned, held_back: ids of the quarantine's parts. left_out: of the parts that T was chosen
    on, how many are judged rightly at the T that is chosen without them, and of how many; None
    where a network has seen them. proven: whether marked parts that nothing was learned from are
    judged better than before, and how that is known."""

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
