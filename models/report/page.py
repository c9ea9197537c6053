"""The page's pieces. Whatever text comes in is escaped here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from models.report.cases import Case

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;margin:0 auto;
max-width:62rem;padding:1rem;overflow-wrap:anywhere}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.25rem;margin:2rem 0 .5rem;
border-top:1px solid #ccc;padding-top:1rem}h3{font-size:1rem;margin:1.2rem 0 .3rem}
.lead{font-size:1.1rem}.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.2rem .7rem .2rem 0;border-bottom:1px solid #e4e4e4;
vertical-align:top;overflow-wrap:normal}
thead th{border-bottom:2px solid #999}
figure{margin:1rem 0}figure svg{width:100%;max-width:40rem;height:auto}
figcaption,.small{font-size:.875rem;color:#444}
.case{display:grid;grid-template-columns:1fr 1fr;gap:.3rem;max-width:44rem}
.case img{max-width:100%;height:auto}.case figcaption{grid-column:1/3}
.row{display:flex;flex-wrap:wrap;gap:.4rem;align-items:flex-end;margin:1rem 0}
.row figure{margin:0}.row>p{flex-basis:100%;margin:0}.row img{max-width:100%;height:auto}
pre{white-space:pre-wrap;font-size:.8rem}li{margin:.5rem 0}nav a{margin-right:.8rem}
"""


def page(title: str, sections: Sequence[str]) -> str:
    """The whole document. sections: as ``section`` makes them."""
    links = "".join(
        f'<a href="#{number}">{found}</a> '
        for number, found in re.findall(r'<section id="([^"]+)"><h2>(.*?)</h2>', "".join(sections))
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n<nav>{links}</nav>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Parts below a heading. title: plain text, which also names the section's anchor."""
    anchor = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>\n' + "\n".join(parts) + "</section>"


def heading(text: str) -> str:
    return f"<h3>{escape(text)}</h3>"


def paragraph(text: str, style: str = "") -> str:
    return f'<p class="{escape(style)}">{escape(text)}</p>' if style else f"<p>{escape(text)}</p>"


def bullets(items: Iterable[tuple[str, str]]) -> str:
    """A list of statements, each with what it rests on."""
    rows = (
        f'<li>{escape(text)}<br><span class="small">{escape(rests_on)}</span></li>'
        for text, rests_on in items
    )
    return f"<ul>{''.join(rows)}</ul>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of text; the first cell of a row names it."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr><th>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def folded(summary: str, inner: str) -> str:
    """What not everybody wants to see at once; inner is HTML."""
    return f"<details><summary>{escape(summary)}</summary>{inner}</details>"


def preformatted(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def plot(svg: str, caption: str = "") -> str:
    """An SVG of models/plots.py, inline: there it needs no namespaces, so no address is left."""
    inline = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{inline}{below}</figure>"


def case(shown: Case) -> str:
    """A case's two pictures beside each other."""
    return (
        f'<figure class="case"><img src="{shown.frame}" alt="{escape(shown.name)}">'
        f'<img src="{shown.marked}" alt="{escape(shown.name)}, marked">'
        f"<figcaption>{escape(shown.name)}: {escape(shown.caption)}</figcaption></figure>"
    )


def row(caption: str, pictures: Iterable[tuple[str, str]]) -> str:
    """Pictures beside one another, as (data URI, what it is)."""
    shown = "".join(
        f'<figure><img src="{uri}" alt="{escape(what)}"><figcaption>{escape(what)}</figcaption>'
        "</figure>"
        for uri, what in pictures
    )
    return f'<div class="row"><p class="small">{escape(caption)}</p>{shown}</div>'
