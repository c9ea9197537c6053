"""Run the code blocks of a tutorial, in order, as a reader would.

| block | action |
|---|---|
| ``sh`` | run by bash in the workspace; it must exit with status 0 |
| ``sh`` with the title "second terminal" | started, and ended after the last block |
| ``python`` | run by Python in the workspace |
| any language with another title | written to the file that the title names |
| ``text`` | compared with the output of the block before, line by line |

A line of a ``text`` block must occur in the output. Numbers may differ, because times do, and "…"
stands for any text. ``python -m tests.tutorials.runner PAGE`` prints each block with its output, so
that an author can copy real output into the page.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "tutorials"
BACKGROUND = "second terminal"
TIMEOUT_S = 1500
_FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Environments of the checkout that a tutorial names, and what stands for them in a test.
_ENVIRONMENTS = {
    ".venv": Path(sys.prefix),
    ".venv-run": Path(sys.prefix),
    ".venv-tflite": ROOT / ".venv-tflite",
}
# `make` must not install anything in a test: the environment that runs the test is complete.
_PROLOGUE = (
    "set -euo pipefail\nmake() { command make --no-print-directory"
    + "".join(f" -o {name}/.ready" for name in _ENVIRONMENTS)
    + ' "$@"; }\n'
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page. title: the file name or the terminal, or empty."""

    line: int
    language: str
    title: str
    text: str


class TutorialError(AssertionError):
    """A block failed, or its output differs from the page. The message holds the output."""


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, match.start()) + 1, match[1], match[2] or "", match[3])
        for match in _FENCE.finditer(text)
    ]


def make_workspace(folder: Path) -> None:
    """Fill ``folder`` with links to the checkout, without its build results."""
    for entry in ROOT.iterdir():
        if entry.name not in ("build", "runs", ".git", *_ENVIRONMENTS):
            (folder / entry.name).symlink_to(entry)
    for name, target in _ENVIRONMENTS.items():
        if target.is_dir():
            (folder / name).symlink_to(target)


def run_page(page: Path, workspace: Path) -> Iterator[tuple[Block, str]]:
    """Run the blocks of a page and yield each with its output.

    Raises TutorialError for a block that fails or whose output is not the one of the page.
    Processes of a second terminal have ended when the iterator is exhausted or closed.
    """
    output = ""
    background: list[subprocess.Popen[bytes]] = []
    try:
        for block in read_blocks(page):
            if block.title == BACKGROUND:
                background.append(_start(block, workspace))
                output = ""
            elif block.title:
                path = workspace / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif block.language == "text":
                _compare(page, block, output)
            else:
                output = _run(page, block, workspace)
            yield block, output
    finally:
        for process in background:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def _words(block: Block) -> list[str]:
    if block.language == "python":
        return [sys.executable, "-c", block.text]
    return ["bash", "-c", _PROLOGUE + block.text]


def _environment(workspace: Path) -> dict[str, str]:
    path = f"{workspace / '.venv' / 'bin'}:{os.environ['PATH']}:/usr/sbin"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}


def _start(block: Block, workspace: Path) -> subprocess.Popen[bytes]:
    log = (workspace / f"second-terminal-{block.line}.log").open("wb")
    with log:
        return subprocess.Popen(
            ["bash", "-c", f"{_PROLOGUE}{block.text}"],
            cwd=workspace,
            env=_environment(workspace),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _run(page: Path, block: Block, workspace: Path) -> str:
    done = subprocess.run(
        _words(block),
        cwd=workspace,
        env=_environment(workspace),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=TIMEOUT_S,
    )
    output = _COLOURS.sub("", done.stdout)
    if done.returncode != 0:
        raise TutorialError(
            f"{page.name}:{block.line}: exit status {done.returncode}\n{block.text}\n{output}"
        )
    return output


def _compare(page: Path, block: Block, output: str) -> None:
    printed = re.sub(r"\s+", " ", output)
    for line in filter(None, map(str.strip, block.text.splitlines())):
        if not re.search(_pattern(line), printed):
            raise TutorialError(f"{page.name}:{block.line}: not printed: {line}\n{output}")


def _pattern(line: str) -> str:
    pattern = re.escape(re.sub(r"\s+", " ", line)).replace("…", ".*")
    return re.sub(r"\d+(?:\\\.\d+)*", r"[0-9.,]+", pattern)


def main() -> None:
    """Run one page in a temporary workspace and print every block with its output."""
    page = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="outfeed-tutorial-") as name:
        make_workspace(Path(name))
        for block, output in run_page(page, Path(name)):
            print(f"--- {page.name}:{block.line} {block.language} {block.title}\n{block.text}")
            if block.language != "text" and not (block.title):
                print(f">>>\n{output}")


if __name__ == "__main__":
    main()
