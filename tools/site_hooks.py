"""MkDocs hooks for links between the documentation and the rest of the repository.

MkDocs only knows files below ``docs/``. A page whose metadata holds ``include: PATH`` shows the
Markdown file PATH of the repository, so that README, ARCHITECTURE and others have one source.
Links are rewritten so that the same Markdown works in the repository and on the site:

- a link to an included file leads to the page that shows it;
- a link to any other existing file outside ``docs/`` becomes its path in plain text;
- a link to a file that does not exist stays, and ``mkdocs build --strict`` fails on it.

In the navigation of mkdocs.yml, a path that ends with ``/`` stands for every page of that folder.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = "docs"

_LINK = re.compile(r"(?<!!)\[([^\]\n]*(?:\n[^\]\n]*)?)\]\(([^)\s]+)\)")
_INCLUDE = re.compile(r"\A---\n(?:.*\n)*?include: *(\S+)\n(?:.*\n)*?---\n")
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)


def included_files(root: Path = ROOT) -> dict[str, str]:
    """Return the included repository files, each with the page (relative to docs) that shows it."""
    pages: dict[str, str] = {}
    for page in sorted((root / DOCS).rglob("*.md")):
        match = _INCLUDE.match(page.read_text(encoding="utf-8"))
        if match is not None:
            pages[match[1]] = page.relative_to(root / DOCS).as_posix()
    return pages


def rewrite_links(
    markdown: str, source: str, page: str, included: Mapping[str, str], root: Path = ROOT
) -> str:
    """Return the Markdown of ``source`` with links that are valid on the site page ``page``.

    Args:
        markdown: the text to rewrite.
        source: path of the file that holds the text, relative to the repository.
        page: path of the page that shows it, relative to ``docs``.
        included: the result of ``included_files``.
        root: the repository.
    """

    def replace(match: re.Match[str]) -> str:
        text, target = match[1], match[2]
        if "://" in target or target.startswith(("#", "mailto:")):
            return match[0]
        path, hash_, anchor = target.partition("#")
        resolved = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if resolved in included:
            resolved = f"{DOCS}/{included[resolved]}"
        elif not resolved.startswith(f"{DOCS}/"):
            if not (root / resolved).exists():
                return match[0]
            return text if "`" in text or text == resolved else f"{text} (`{resolved}`)"
        within_docs = resolved.removeprefix(f"{DOCS}/")
        relative = posixpath.relpath(within_docs, posixpath.dirname(page) or ".")
        return f"[{text}]({relative}{hash_}{anchor})"

    parts: list[str] = []
    end = 0
    for fence in _FENCE.finditer(markdown):
        parts += [_LINK.sub(replace, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _LINK.sub(replace, markdown[end:])])


def expand_folders(nav: Any, docs: Path = ROOT / DOCS) -> Any:
    """Return the navigation with each ``folder/`` replaced by the pages of the folder, by name."""
    if isinstance(nav, dict):
        return {title: expand_folders(part, docs) for title, part in nav.items()}
    if isinstance(nav, list):
        parts = [expand_folders(part, docs) for part in nav]
        return [one for part in parts for one in (part if isinstance(part, list) else [part])]
    if isinstance(nav, str) and nav.endswith("/"):
        pages = (docs / nav).glob("*.md")
        ordered = sorted(pages, key=lambda page: (page.name != "index.md", page.name))
        return [page.relative_to(docs).as_posix() for page in ordered]
    return nav


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Expand the folders of the navigation. MkDocs calls this."""
    config.nav = expand_folders(config.nav)
    return config


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show the included file where the page names one, and rewrite the links. MkDocs calls this."""
    meta: Mapping[str, Any] = page.meta
    source = f"{DOCS}/{page.file.src_uri}"
    if "include" in meta:
        source = str(meta["include"])
        markdown = (ROOT / source).read_text(encoding="utf-8")
    return rewrite_links(markdown, source, page.file.src_uri, included_files())
