"""The page of roles: what each of them may see and do, from central/access/permissions.py."""

from __future__ import annotations

from central.access.permissions import DESCRIPTIONS, GRANTED, WHOLE, Permission, Role
from central.rollouts.actions import ALL_ACTIONS
from tools.reference.markdown import generated, table

_INTRODUCTION = """\
An account of the central system has roles. Each role holds everywhere, or in a plant with all its
lines, or in one line. A station that has no line is seen by accounts whose role holds everywhere.
How accounts are created: [accounts of the central system](../how-to/central-accounts.md).
"""

_WHOLE = """\
These permissions concern the whole installation. A role that holds in a plant or line only does not
give them:
"""

_TWO = """\
One person asks for these actions, and another person approves within 24 hours. Both need the
permission everywhere. The command line of the machine does not ask for a second person.
"""


def page() -> str:
    """Return the page as Markdown."""
    header = ["permission", "meaning", *(role.value for role in Role)]
    rows = [
        [
            f"`{each.value}`",
            DESCRIPTIONS[each],
            *("yes" if each in GRANTED[role] else "" for role in Role),
        ]
        for each in Permission
    ]
    whole = "".join(f"- `{each.value}`\n" for each in Permission if each in WHOLE)
    actions = table(
        ["action", "meaning", "permission"],
        [[f"`{each.name}`", each.text, f"`{each.permission.value}`"] for each in ALL_ACTIONS],
    )
    return "\n".join(
        [
            generated("Roles of the central system", _INTRODUCTION),
            "## Permissions\n\n" + table(header, rows),
            f"{_WHOLE}\n{whole}",
            f"## Actions for two people\n\n{_TWO}\n{actions}",
        ]
    )
