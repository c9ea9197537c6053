"""Every code block of the tutorials runs, and prints what the page shows.

Tutorials that train need some minutes. They run with OUTFEED_DOCS_SLOW=1 (`make docs-test`).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("iotcore", reason="iotcore is not installed: pip install 'outfeed[demo]'")

from tests.tutorials.runner import FOLDER, TutorialError, make_workspace, read_blocks, run_page

FAST = ("first-run.md", "inspect-from-python.md", "one-desk.md")
SLOW = ("good-parts-only.md", "own-pictures.md")


def run_all(page: Path, workspace: Path) -> None:
    make_workspace(workspace)
    for _ in run_page(page, workspace):
        pass


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FAST)
def test_a_fast_tutorial_runs(name: str, tmp_path: Path) -> None:
    page = FOLDER / name
    if "mosquitto " in page.read_text(encoding="utf-8") and not _mosquitto():
        pytest.skip("Mosquitto is not installed: apt install mosquitto")
    run_all(page, tmp_path)


@pytest.mark.timeout(3000)
@pytest.mark.skipif("OUTFEED_DOCS_SLOW" not in os.environ, reason="slow: make docs-test")
@pytest.mark.parametrize("name", SLOW)
def test_a_slow_tutorial_runs(name: str, tmp_path: Path) -> None:
    run_all(FOLDER / name, tmp_path)


def test_every_tutorial_is_in_one_of_the_lists() -> None:
    pages = {page.name for page in FOLDER.glob("*.md")} - {"index.md"}
    assert pages == {*FAST, *SLOW}


def test_blocks_have_line_language_and_title(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text('# A\n\n```sh\ntrue\n```\n\n```toml title="a/b.toml"\nx = 1\n```\n')
    assert [(b.line, b.language, b.title, b.text) for b in read_blocks(page)] == [
        (3, "sh", "", "true\n"),
        (7, "toml", "a/b.toml", "x = 1\n"),
    ]


def test_a_file_is_written_and_the_output_is_compared_without_its_numbers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '```text title="a/b.txt"\n12 parts of x\n```\n\n```sh\ncat a/b.txt\n```\n\n'
        "```text\n34.5 parts …\n```\n"
    )
    # A titled block is a file, whatever its language.
    run_page_in(page, tmp_path / "workspace")
    assert (tmp_path / "workspace" / "a" / "b.txt").read_text() == "12 parts of x\n"


def test_other_output_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\necho 12 parts\n```\n\n```text\n12 frames\n```\n")
    with pytest.raises(TutorialError, match="not printed: 12 frames"):
        run_page_in(page, tmp_path / "workspace")


def test_a_command_that_fails_is_named_with_its_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n\n```sh\nfalse\ntrue\n```\n")
    with pytest.raises(TutorialError, match=r"page\.md:3: exit status 1"):
        run_page_in(page, tmp_path / "workspace")


def run_page_in(page: Path, workspace: Path) -> None:
    workspace.mkdir()
    for _ in run_page(page, workspace):
        pass


def _mosquitto() -> bool:
    return bool(shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin"))
