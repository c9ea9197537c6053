"""``outfeed-central account``: accounts and roles, by whoever may log in on the machine.

A change here needs no second person. It is the way back in where no admin can log in, and it is in
the audit log like any other change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from central.commands.common import (
    ConfigOption,
    PasswordOption,
    command_line_actor,
    now_us,
    open_database,
    read_password,
)
from edge.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from central.access.caller import Grant

app = typer.Typer(
    name="account", help="Create and change accounts, and their roles.", no_args_is_help=True
)

_Name = Annotated[str, typer.Argument(help="The name of the account.", show_default=False)]
_Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        "-r",
        metavar="ROLE[@PLANT[/LINE]]",
        help="A role: production, quality, management or admin. It holds everywhere, or in a plant "
        "or line. The option may be repeated.",
        show_default=False,
    ),
]


@app.command("add")
def add(
    name: _Name,
    role: _Roles = None,
    display: Annotated[str, typer.Option(help="The name of the person.")] = "",
    password_stdin: PasswordOption = False,
    config: ConfigOption = None,
) -> None:
    """Create an account. The password has at least 12 characters."""
    from central.access.accounts import add_account, set_grants
    from central.access.audit import audited

    with open_database(config) as database:
        password = read_password(password_stdin)
        with audited(database, command_line_actor(), now_us()) as change:
            account = add_account(change, name, password=password, display=display)
            if role:
                set_grants(change, account.name, _grants(change.connection, role))
    print(f"account {account.name} created")


@app.command("roles")
def roles(name: _Name, role: _Roles = None, config: ConfigOption = None) -> None:
    """Replace the roles of an account. Without `--role` it has none afterwards."""
    from central.access.accounts import set_grants
    from central.access.audit import audited

    with (
        open_database(config) as database,
        audited(database, command_line_actor(), now_us()) as change,
    ):
        set_grants(change, name, _grants(change.connection, role or []))


@app.command("password")
def password(
    name: _Name, password_stdin: PasswordOption = False, config: ConfigOption = None
) -> None:
    """Give an account a new password, and end its sessions."""
    from central.access.accounts import get_account, set_password
    from central.access.audit import audited

    with open_database(config) as database:
        with database.read() as connection:
            get_account(connection, name)  # before anybody types a password
        new = read_password(password_stdin)
        with audited(database, command_line_actor(), now_us()) as change:
            set_password(change, name, new)


@app.command("disable")
def disable(name: _Name, config: ConfigOption = None) -> None:
    """Disable an account. Its sessions end, and its tokens are removed."""
    _set_disabled(name, config, True)


@app.command("enable")
def enable(name: _Name, config: ConfigOption = None) -> None:
    """Enable an account again."""
    _set_disabled(name, config, False)


@app.command("list")
def list_accounts(config: ConfigOption = None) -> None:
    """Print all accounts with their roles."""
    from central.access.accounts import describe_grant, read_accounts

    with open_database(config) as database, database.read() as connection:
        for each in read_accounts(connection):
            given = ", ".join(describe_grant(connection, grant) for grant in each.grants)
            state = "disabled" if each.is_disabled else "enabled"
            print(f"{each.name}\t{state}\t{given or 'no role'}\t{each.issuer or 'local'}")


@app.command("token")
def token(
    name: _Name,
    label: Annotated[str, typer.Option(help="What the token is for.", show_default=False)],
    days: Annotated[int, typer.Option(min=1, max=366, help="The days it is valid for.")] = 90,
    config: ConfigOption = None,
) -> None:
    """Create an API token of an account, and print it. It cannot be printed again."""
    from central.access.audit import audited
    from central.access.tokens import add_token

    with open_database(config) as database:
        with audited(database, command_line_actor(), now_us()) as change:
            new = add_token(change, name, label, days)
        print(new)


def _set_disabled(name: str, config: ConfigOption, is_disabled: bool) -> None:
    from central.access.accounts import set_disabled
    from central.access.audit import audited

    with (
        open_database(config) as database,
        audited(database, command_line_actor(), now_us()) as change,
    ):
        set_disabled(change, name, is_disabled)


def _grants(connection: Connection, texts: list[str]) -> list[Grant]:
    """Return the roles of the option. Raises UsageError."""
    from central.access.caller import Grant
    from central.access.permissions import Role
    from central.access.places import find_place

    found = []
    for each in texts:
        word, _, where = each.partition("@")
        if word not in [role.value for role in Role]:
            names = ", ".join(role.value for role in Role)
            raise UsageError(f"--role {each}: expected one of {names}")
        if not where:
            found.append(Grant(Role(word)))
            continue
        plant, _, line = where.partition("/")
        place = find_place(connection, plant, line or None)
        found.append(Grant(Role(word), None if place.line_id else place.plant_id, place.line_id))
    return found
