"""Every decision record has one form, and the index lists it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
SECTIONS = ["Status", "Context", "Decision", "Consequences"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_the_sections_of_the_template(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(record.name[:4])}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    status = text.partition("## Status\n")[2].strip()
    assert re.match(r"(Accepted|Superseded)\b.*?, \d{4}-\d\d-\d\d\.", status)


def test_the_template_has_the_same_sections() -> None:
    text = (FOLDER / "template.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS


def test_the_index_lists_every_record_under_its_title() -> None:
    listed = re.findall(
        r"^\| (\d+) \| \[(.+)\]\((.+)\) \|", (FOLDER / "index.md").read_text(), re.M
    )
    expected = []
    for record in RECORDS:
        number, title = re.match(  # type: ignore[union-attr]
            r"# (\d+)\. (.+)\n", record.read_text(encoding="utf-8")
        ).groups()
        expected.append((number, title, record.name))
    assert listed == expected
