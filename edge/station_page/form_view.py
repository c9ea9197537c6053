"""The forms of the page: login and mark."""

from __future__ import annotations

from edge.inbox import MAX_NOTE_CHARS, PAGE_KINDS, MarkKind
from edge.station_page.html import words
from edge.station_page.people import MAX_NAME_CHARS, MAX_PASSWORD_CHARS

_MEANINGS: dict[MarkKind, str] = {
    "escape": "escape: it passed, and it is defective",
    "false-reject": "false reject: it was ejected, and it is good",
    "true-reject": "true reject: it was ejected, and it is defective",
    "look": "look: a person is to look at it",
    "self-test": "",
}


def login_form(target: str, fault: str = "") -> str:
    """Return the form of a login. target: the path that is opened after it."""
    note = f'<p class="alert" role="alert">{words(fault)}</p>' if fault else ""
    return (
        f'<section class="card narrow"><h1>Log in</h1>{note}<form method="post" action="/login">'
        f'<input type="hidden" name="next" value="{words(target)}">'
        f'<label>Name <input name="name" autocomplete="username" required '
        f'maxlength="{MAX_NAME_CHARS}"></label>'
        '<label>Password <input name="password" type="password" autocomplete="current-password" '
        f'required maxlength="{MAX_PASSWORD_CHARS}"></label>'
        "<button>Log in</button></form></section>"
    )


def mark_form(token: str, part_id: int | None, fault: str = "") -> str:
    """Return the form of a mark. part_id: the part; None: the person enters its number."""
    note = f'<p class="alert" role="alert">{words(fault)}</p>' if fault else ""
    number = (
        '<label>Part number <input name="part" inputmode="numeric" required maxlength="19"></label>'
        if part_id is None
        else f'<input type="hidden" name="part" value="{part_id}">'
    )
    kinds = "".join(
        f'<label class="choice"><input type="radio" name="kind" value="{kind}" required> '
        f"{_MEANINGS[kind]}</label>"
        for kind in PAGE_KINDS
    )
    title = "<h1>Mark a part</h1>" if part_id is None else "<h2>Mark this part</h2>"
    return (
        f'<section class="card narrow" id="mark">{title}{note}'
        '<form method="post" action="/mark">'
        f'<input type="hidden" name="token" value="{words(token)}">{number}'
        f"<fieldset><legend>Your statement</legend>{kinds}</fieldset>"
        f'<label>Note <input name="note" maxlength="{MAX_NOTE_CHARS - MAX_NAME_CHARS - 2}"></label>'
        "<button>Save the mark</button></form></section>"
    )
