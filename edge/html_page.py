"""The one look of every page that Outfeed writes: report, export, learn, candidates, commission.

A page is one file without scripts and without anything from elsewhere. What is wider than the
screen scrolls inside its own frame, and a shadow at the edge and a line above it show that there
is more. Text is escaped by whoever builds the body.
"""

from __future__ import annotations

from html import escape
from typing import Literal

Tone = Literal["good", "bad", "open"]

WIDE_COLUMNS = 4  # a table of so many columns scrolls on a phone, where its cells would be slivers

_STYLE = """
:root{--ink:#1a1a1a;--soft:#444;--line:#e4e4e4;--good:#0a7d28;--bad:#b00020;--open:#8a6d00}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:#fff;margin:0 auto;
max-width:62rem;padding:1rem;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0}
h2{font-size:1.25rem;margin:2rem 0 .5rem;border-top:1px solid #ccc;padding-top:1rem}
h3{font-size:1rem;margin:1.2rem 0 .3rem}
.lead{font-size:1.1rem}
.warning{border-left:.3rem solid var(--bad);background:#fdf1f2;padding:.4rem .8rem;margin:.6rem 0}
.badge{float:right;margin-left:1rem}
.good{color:var(--good)}.bad{color:var(--bad)}.open{color:var(--open)}
nav{margin:.5rem 0}nav a{margin-right:.8rem;display:inline-block;padding:.15rem 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.5rem 0}
th,td{text-align:left;padding:.25rem .7rem .25rem 0;border-bottom:1px solid var(--line);
vertical-align:top;overflow-wrap:normal}
thead th{border-bottom:2px solid #999}
tbody th{font-weight:600}td.n{text-align:right}td.wrong{background:#fdd}
.wide{overflow-x:auto;margin:.5rem 0;
background:linear-gradient(to right,#fff 30%,rgba(255,255,255,0)),
linear-gradient(to right,rgba(255,255,255,0),#fff 70%) 100% 0,
radial-gradient(farthest-side at 0 50%,rgba(0,0,0,.35),rgba(0,0,0,0)),
radial-gradient(farthest-side at 100% 50%,rgba(0,0,0,.35),rgba(0,0,0,0)) 100% 0;
background-repeat:no-repeat;background-color:#fff;
background-size:2.5rem 100%,2.5rem 100%,.8rem 100%,.8rem 100%;
background-attachment:local,local,scroll,scroll}
.hint{display:none}
figure{margin:1rem 0}figure svg{width:100%;max-width:38rem;height:auto}
figcaption,.small{font-size:.875rem;color:var(--soft)}
.case{display:grid;grid-template-columns:1fr 1fr;gap:.3rem;max-width:44rem}
img{max-width:100%;height:auto}.case figcaption{grid-column:1/3}
.row{display:flex;flex-wrap:wrap;gap:.4rem;align-items:flex-end;margin:1rem 0}
.row figure{margin:0}.row>p{flex-basis:100%;margin:0}
pre{white-space:pre-wrap;font-size:.8rem}li{margin:.5rem 0}ul{padding-left:1.2rem}
@media (max-width:40rem){
.many table,.many svg{min-width:36rem}
.wide:not(.many) td{overflow-wrap:anywhere;min-width:5rem}
.many>.hint{display:block;position:sticky;left:0;font-size:.8rem;color:var(--soft)}
.badge{float:none;margin-left:.3rem}
}
"""
_HINT = '<span class="hint">wider than the screen: swipe sideways →</span>'


def document(title: str, body: str) -> str:
    """The whole page. title: plain text, for the browser's tab. body: HTML, escaped."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>{body}\n</body></html>\n"
    )


def wide(inner: str, *, many: bool) -> str:
    """Return HTML that may be wider than the screen, in a frame that scrolls.

    many: on a phone the frame keeps a readable width and has a note that it scrolls.
    """
    if not many:
        return f'<div class="wide">{inner}</div>'
    return f'<div class="wide many" tabindex="0">{_HINT}{inner}</div>'


def badge(text: str, tone: Tone) -> str:
    """Return a word at the right of a heading, in the colour of its tone."""
    return f'<span class="badge {tone}">{escape(text)}</span>'
