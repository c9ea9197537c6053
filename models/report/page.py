"""The parts of an HTML page in the style of edge/html_page.py. All text is escaped here only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from edge.html_page import WIDE_COLUMNS, document, wide
from models.report.cases import Case

WIDE_PT = 480.0  # an SVG that is wider is not made smaller on a phone: its text would be too small


def page(title: str, sections: Sequence[str]) -> str:
    """Return the whole document. sections: results of ``section``."""
    links = "".join(
        f'<a href="#{number}">{found}</a> '
        for number, found in re.findall(r'<section id="([^"]+)"><h2>(.*?)</h2>', "".join(sections))
    )
    return document(title, f"<h1>{escape(title)}</h1>\n<nav>{links}</nav>\n" + "\n".join(sections))


def section(title: str, *parts: str) -> str:
    """Return parts below a heading. title: plain text, from which the anchor is made."""
    anchor = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>\n' + "\n".join(parts) + "</section>"


def heading(text: str) -> str:
    return f"<h3>{escape(text)}</h3>"


def paragraph(text: str, style: str = "") -> str:
    return f'<p class="{escape(style)}">{escape(text)}</p>' if style else f"<p>{escape(text)}</p>"


def bullets(items: Iterable[tuple[str, str]]) -> str:
    """Return a list of statements, each with the figures behind it."""
    rows = (
        f'<li>{escape(text)}<br><span class="small">{escape(rests_on)}</span></li>'
        for text, rests_on in items
    )
    return f"<ul>{''.join(rows)}</ul>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of text; the first cell of a row is its heading."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr><th>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    inner = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return wide(inner, many=len(head) >= WIDE_COLUMNS)


def folded(summary: str, inner: str) -> str:
    """Return a part that is folded at first; inner is HTML."""
    return f"<details><summary>{escape(summary)}</summary>{inner}</details>"


def preformatted(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def plot(svg: str, caption: str = "") -> str:
    """Return an inline SVG of models/report/plots.py, without namespaces and addresses."""
    inline = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    found = re.search(r'width="([\d.]+)pt"', svg)
    broad = found is not None and float(found[1]) > WIDE_PT
    return f"<figure>{wide(inline, many=True) if broad else inline}{below}</figure>"


def case(shown: Case) -> str:
    """Return the two pictures of a case side by side."""
    return (
        f'<figure class="case"><img src="{shown.frame}" alt="{escape(shown.name)}">'
        f'<img src="{shown.marked}" alt="{escape(shown.name)}, marked">'
        f"<figcaption>{escape(shown.name)}: {escape(shown.caption)}</figcaption></figure>"
    )


def row(caption: str, pictures: Iterable[tuple[str, str]]) -> str:
    """Return pictures side by side, each a pair of data URI and caption."""
    shown = "".join(
        f'<figure><img src="{uri}" alt="{escape(what)}"><figcaption>{escape(what)}</figcaption>'
        "</figure>"
        for uri, what in pictures
    )
    return f'<div class="row"><p class="small">{escape(caption)}</p>{shown}</div>'
