"""The glossary is in order, its links lead somewhere, and it covers the banned words."""

from __future__ import annotations

import re

from tools.language.__main__ import ROOT
from tools.language.words import read_terms

GLOSSARY = ROOT / "docs/reference/glossary.md"
TEXT = GLOSSARY.read_text(encoding="utf-8")
TERMS = re.findall(r"^### (.+)$", TEXT, re.MULTILINE)


def anchor(heading: str) -> str:
    """Return the anchor that the site makes of a heading."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def test_terms_are_in_alphabetical_order_and_stand_once() -> None:
    assert sorted(set(TERMS), key=str.lower) == TERMS
    assert len(TERMS) > 60


def test_links_within_the_glossary_and_to_other_pages() -> None:
    anchors = {anchor(term) for term in TERMS}
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in anchors
        else:
            assert (GLOSSARY.parent / target).is_file()


def test_each_entry_names_a_source_or_another_entry() -> None:
    for entry in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]:
        assert re.search(r"Source:\s", entry) or "](#" in entry, entry


def test_terms_that_replace_words_are_in_the_glossary() -> None:
    terms = {word.lower() for word in TERMS}
    for term in ("eject", "escape", "golden frame", "self-test", "heartbeat", "feedback"):
        assert term in terms
        assert any(term in each.use for each in read_terms(ROOT)), term
