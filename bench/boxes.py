"""Comparison of reported boxes with annotated ones, by the rule of DeepPCB (Tang et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.records import Box

RIGHT_IOU = 0.33  # "a detection is correct only if the IoU … is larger than 0.33"
NOT_FOUND = "not matches"


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """A box and its kind. Lists of reported boxes begin with the most severe one."""

    box: Box
    kind: str


@dataclass(frozen=True, slots=True)
class BoxCounts:
    """The numbers of boxes in some pictures.

    right: pairs of a reported and an annotated box. Each box is in one pair at most.
    """

    right: int = 0
    reported: int = 0
    annotated: int = 0

    def __add__(self, other: BoxCounts) -> BoxCounts:
        return BoxCounts(
            self.right + other.right,
            self.reported + other.reported,
            self.annotated + other.annotated,
        )

    @property
    def precision(self) -> float:
        return self.right / self.reported if self.reported else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.annotated if self.annotated else 1.0

    @property
    def f1(self) -> float:
        both = self.reported + self.annotated
        return 2.0 * self.right / both if both else 1.0


def pair(
    reported: Sequence[LabelledBox], annotated: Sequence[LabelledBox], *, same_kind: bool
) -> tuple[int | None, ...]:
    """Return for each annotated box the index of the reported box that matches it, or None.

    Each reported box, in order, is paired with the free annotated box that it overlaps most. The
    IoU must be more than RIGHT_IOU. With same_kind, both boxes must have one kind.
    """
    matches: list[int | None] = [None] * len(annotated)
    for number, mark in enumerate(reported):
        overlaps = [
            iou(mark.box, truth.box)
            if matches[index] is None and (mark.kind == truth.kind or not same_kind)
            else 0.0
            for index, truth in enumerate(annotated)
        ]
        best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
        if best is not None and overlaps[best] > RIGHT_IOU:
            matches[best] = number
    return tuple(matches)


def count(
    reported: Sequence[LabelledBox], annotated: Sequence[LabelledBox], *, same_kind: bool
) -> BoxCounts:
    """Return the numbers of boxes of one picture."""
    matches = pair(reported, annotated, same_kind=same_kind)
    return BoxCounts(len(matches) - matches.count(None), len(reported), len(annotated))


def iou(one: Box, other: Box) -> float:
    """Return the intersection over union, 0 to 1."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(width, 0) * max(height, 0)
    return shared / (one.width * one.height + other.width * other.height - shared)


def widened(box: Box, margin_px: int, height: int, width: int) -> Box:
    """Return the box with a margin on all sides, cut at the rim of the frame."""
    return Box(
        max(box.left - margin_px, 0),
        max(box.top - margin_px, 0),
        min(box.right + margin_px, width),
        min(box.bottom + margin_px, height),
    )
