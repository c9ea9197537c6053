"""Reading a page, and parts made up for it."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

from models.evaluation.metrics import Match, PictureOutcome

VOID = {"meta", "img", "br", "link"}


class Reader(HTMLParser):
    """Fails on tags that do not close one another; keeps text and everything that is referenced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.references: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag not in VOID:
            self.open.append(tag)
        named = ("src", "href", "xlink:href", "data", "action", "srcset", "poster")
        self.references += [value or "" for name, value in attrs if name in named]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def text_of(html: str) -> str:
    return " ".join("\n".join(Reader(html).text).split())


def outcome(
    name: str,
    *,
    annotated_px: int = 0,
    hit_px: int = 0,
    rejected: bool = False,
    score: float = 1.0,
    kind: str = "pit",
    reported: tuple[str, ...] = (),
) -> PictureOutcome:
    """A part with at most one annotated defect; what is reported touches nothing but hit_px."""
    ious = tuple(0.5 if hit_px else 0.0 for _ in reported)
    matches = ()
    if annotated_px:
        matches = (Match(kind, 0.5 if hit_px else 0.0, reported[0] if hit_px else ""),)
    return PictureOutcome(
        name=name,
        kinds=(kind,) if annotated_px else (),
        rejected=rejected,
        score=score,
        hit_px=hit_px,
        reported_px=hit_px,
        annotated_px=annotated_px,
        near_reported_px=hit_px,
        near_annotated_px=hit_px,
        matches=matches,
        reported_ious=ious,
        reported_right_kind=tuple(kind == said for said in reported),
    )
