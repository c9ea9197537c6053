"""The one look of all pages: no script, nothing from elsewhere, and wide things scroll visibly."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from edge.html_page import WIDE_COLUMNS, badge, document, wide

ROOT = Path(__file__).resolve().parents[2]


def test_a_document() -> None:
    text = document("a <b>", "<p>body</p>")
    assert text.startswith("<!doctype html>")
    assert "<title>a &lt;b&gt;</title>" in text
    assert '<meta name="viewport" content="width=device-width,initial-scale=1">' in text
    assert not re.search(r"<script|https?:|@import|url\(", text)


def test_what_is_wide_says_so_where_the_screen_is_narrow() -> None:
    inner = "<table></table>"
    assert wide(inner, many=False) == f'<div class="wide">{inner}</div>'
    many = wide(inner, many=True)
    assert many.endswith(f"{inner}</div>")
    assert "swipe sideways" in many
    style = document("", "")
    phone = style[style.index("@media") :]
    assert ".many>.hint{display:block" in phone
    assert ".hint{display:none}" in style[: style.index("@media")]
    assert "min-width:36rem" in phone
    assert WIDE_COLUMNS == 4


def test_a_badge_is_escaped() -> None:
    assert badge("<NO", "bad") == '<span class="badge bad">&lt;NO</span>'


def test_no_page_has_a_look_of_its_own() -> None:
    """Every HTML file that the project writes comes from here. Pages that are served, such as the
    live picture and the page of the station, are no files to keep."""
    own = [
        str(path.relative_to(ROOT))
        for folder in ("edge", "models", "export", "bench")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"<style|<!doctype", path.read_text(encoding="utf-8"), re.IGNORECASE)
    ]
    served = ["edge/commission/live_page.py", "edge/station_page/html.py"]
    assert sorted(own) == sorted([*served, "edge/html_page.py"])


def test_a_station_may_import_it_cheaply() -> None:
    code = (
        "import sys, edge.html_page; print(sorted(m for m in sys.modules if m in ('numpy', 'cv2')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
