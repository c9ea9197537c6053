"""`python -m tools.language`: print the figures, and exit with 1 where a bar is broken."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tools.language.figures import KINDS, LanguageFigures, folder_of, measure

ROOT = Path(__file__).resolve().parents[2]


def main(
    figures: Annotated[bool, typer.Option("--figures", help="Print a table by folder.")] = False,
    list_kind: Annotated[
        str, typer.Option("--list", help=f"Print every hit of a kind: {', '.join(KINDS)}, or all.")
    ] = "",
    within: Annotated[str, typer.Option("--in", help="Only this folder or file.")] = "",
) -> None:
    """Measure the language and the structure of the repository. Exit with 1 where a bar is broken.

    With --list, print the hits as path:line and exit with 0.
    """
    if list_kind and list_kind != "all" and list_kind not in KINDS:
        sys.exit(f"--list: {list_kind!r} is none of {', '.join(KINDS)}, all")
    result = measure(ROOT, within)
    if list_kind:
        for kind in KINDS if list_kind == "all" else [list_kind]:
            for hit in result.of(kind, within):
                print(hit)
        return
    print(_by_folder(result) if figures else _summary(result))
    broken = result.broken()
    for line in broken:
        print(f"language: {line}", file=sys.stderr)
    sys.exit(1 if broken else 0)


def _summary(result: LanguageFigures) -> str:
    total = sum(result.sentences.values())
    lines = [f"{total:>7} sentences"]
    for kind, words in KINDS.items():
        share = f" ({result.long_share():.1%})" if kind == "sentences" else ""
        lines.append(f"{result.count(kind):>7} {words}{share}  --list {kind}")
    return "\n".join(lines)


def _by_folder(result: LanguageFigures) -> str:
    folders = sorted({*result.sentences, *(folder_of(hit.path) for hit in result.hits)})
    width = max(len("folder"), *map(len, folders))
    rows = [["folder".ljust(width), "all", *KINDS]]
    for folder in folders:
        hits = [hit for hit in result.hits if folder_of(hit.path) == folder]
        counts = [sum(hit.kind == kind for hit in hits) for kind in KINDS]
        rows.append([folder.ljust(width), *map(str, [result.sentences[folder], *counts])])
    headings = rows[0][1:]
    return "\n".join(
        "  ".join(
            [
                row[0],
                *(
                    cell.rjust(max(5, len(head)))
                    for head, cell in zip(headings, row[1:], strict=True)
                ),
            ]
        )
        for row in rows
    )


if __name__ == "__main__":
    typer.run(main)
