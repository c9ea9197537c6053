"""The division of marked parts into those for training and those for judging."""

from __future__ import annotations

from edge.quarantine import Claim, CopiedPicture, MarkNote, QuarantineEntry, Release
from models.feedback.partition import divide

JOURNAL = "1f3a9c2e-0000-4000-8000-000000000000"


def entry(
    part_id: int, claim: Claim, *, seen: int | None = None, released: bool = True
) -> QuarantineEntry:
    note = MarkNote(id=f"{part_id:032x}", kind=claim, note="", utc="2026-01-01T00:00:00Z")
    word = Release(
        claim=claim, by="Ada", utc="2026-01-02T00:00:00Z", pixels_sha256="a" * 64, marks=(note.id,)
    )
    return QuarantineEntry(
        station="press-3",
        journal=JOURNAL,
        boot_id="b",
        part_id=part_id,
        seen_utc=f"2026-01-01T00:{part_id if seen is None else seen:02d}:00Z",
        marks=(note,),
        claim=claim,
        judged=None,
        picture=CopiedPicture(sha256="a" * 64, pixels_sha256="a" * 64),
        release=word if released else None,
    )


def ids(entries: tuple[QuarantineEntry, ...]) -> list[int]:
    return [each.part_id for each in entries]


def test_the_latest_of_each_claim_are_held_back() -> None:
    some = [entry(n, "false-reject", seen=20 - n) for n in range(1, 11)]
    some += [entry(n, "escape") for n in range(11, 17)]
    some += [entry(n, "true-reject") for n in range(21, 26)]
    found = divide(some, 0.4)
    assert ids(found.held_back) == [15, 16, 4, 3, 2, 1, 24, 25]
    assert ids(found.learned) == [11, 12, 13, 14, 10, 9, 8, 7, 6, 5, 21, 22, 23]
    assert divide(some[::-1], 0.4) == found


def test_few_are_not_divided() -> None:
    some = [entry(n, "false-reject") for n in range(1, 5)]
    assert ids(divide(some, 0.4).held_back) == []
    assert ids(divide([*some, entry(5, "false-reject")], 0.4).held_back) == [4, 5]


def test_some_are_always_learned_from_and_a_share_of_0_holds_nothing_back() -> None:
    some = [entry(n, "false-reject") for n in range(1, 7)]
    assert ids(divide(some, 1.0).learned) == [1]
    assert divide(some, 0.0).held_back == ()


def test_what_is_not_released_is_on_neither_side() -> None:
    some = [entry(n, "false-reject", released=n % 2 == 0) for n in range(1, 13)]
    found = divide(some, 0.5)
    assert ids(found.learned) + ids(found.held_back) == [2, 4, 6, 8, 10, 12]
