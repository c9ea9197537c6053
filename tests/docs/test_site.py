"""The site's own part: included files, links out of docs/, folders in the navigation."""

from __future__ import annotations

from pathlib import Path

from tools.site_hooks import expand_folders, included_files, rewrite_links


def repository(folder: Path) -> Path:
    for name in ("docs/a/page.md", "docs/a/other.md", "firmware/x.toml", "docs/shown.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text\n")
    (folder / "README.md").write_text("[page](docs/a/page.md)\n")
    (folder / "docs/shown.md").write_text("---\ninclude: README.md\n---\n# Shown\n")
    return folder


def test_links_of_an_included_file_lead_to_pages_of_the_site(tmp_path: Path) -> None:
    root = repository(tmp_path)
    included = included_files(root)
    assert included == {"README.md": "shown.md"}
    text = rewrite_links("[page](docs/a/page.md#x)", "README.md", "shown.md", included, root)
    assert text == "[page](a/page.md#x)"


def test_a_link_to_an_included_file_leads_to_its_page(tmp_path: Path) -> None:
    root = repository(tmp_path)
    text = "[r](../../README.md)"
    rewritten = rewrite_links(text, "docs/a/page.md", "a/page.md", included_files(root), root)
    assert rewritten == "[r](../shown.md)"


def test_a_link_to_another_file_of_the_repository_is_its_path(tmp_path: Path) -> None:
    root = repository(tmp_path)
    text = "[file](../../firmware/x.toml) and [none](../../firmware/y.toml)"
    rewritten = rewrite_links(text, "docs/a/page.md", "a/page.md", {}, root)
    assert rewritten == "file (`firmware/x.toml`) and [none](../../firmware/y.toml)"


def test_code_and_addresses_stay_as_they_are(tmp_path: Path) -> None:
    root = repository(tmp_path)
    text = "```\n[x](README.md)\n```\n[y](https://example.org/) [z](#here)\n"
    assert rewrite_links(text, "docs/shown.md", "shown.md", {}, root) == text


def test_a_folder_in_the_navigation_is_every_page_of_it(tmp_path: Path) -> None:
    root = repository(tmp_path)
    nav = [{"A": "a/"}, {"B": ["shown.md", "a/"]}]
    assert expand_folders(nav, root / "docs") == [
        {"A": ["a/other.md", "a/page.md"]},
        {"B": ["shown.md", "a/other.md", "a/page.md"]},
    ]
