"""The page of every command and option of ``outfeed`` and ``outfeed-central``, from typer."""

from __future__ import annotations

import inspect
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer

from central.__main__ import app as central
from edge.__main__ import app
from tools.reference.markdown import generated, table

_INTRODUCTION = """\
Every command prints this text with `--help`. Exit status: 0 done, 2 wrong usage, 78 wrong
configuration, 1 anything else. An error is one line on standard error. `--verbose` and `--quiet`
stand before the name of the command: `outfeed --verbose run …`.

On a unit the program is `/opt/outfeed/bin/outfeed`. In a checkout it is `.venv/bin/outfeed`, or
`.venv-run/bin/outfeed` after `make run`. For the commands of a workstation (`make train`, `make
export` and others) see [make targets](make.md).
"""


def page() -> str:
    """Return the page as Markdown."""
    parts = [generated("Commands", _INTRODUCTION)]
    for each in (app, central):
        root: Any = typer.main.get_command(each)
        program = str(each.info.name)
        parts.append(f"## {program}\n\n{_text(root)}")
        parts += [_command(f"{program} {name}", one, 2) for name, one in root.commands.items()]
    return "\n".join(parts)


def _command(name: str, command: Any, level: int) -> str:
    text = f"{'#' * level} {name}\n\n{_text(command, name)}"
    for child, each in getattr(command, "commands", {}).items():
        text += "\n" + _command(f"{name} {child}", each, level + 1)
    return text


def _text(command: Any, name: str = "") -> str:
    """Return help, usage and parameters of one command."""
    parts = [_paragraphs(command.help or "")]
    if name and not getattr(command, "commands", {}):
        arguments = [_argument(one) for one in command.params if _is_argument(one)]
        words = " ".join([name, "[OPTIONS]", *arguments])
        parts.append(f"```text\n{words}\n```\n")
    params = [one for one in command.params if "--help" not in one.opts]
    hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True) if params else {}
    rows = [_row(one, hints) for one in params if one.name in hints]
    if rows:
        parts.append(table(["option or argument", "value", "default", "meaning"], rows))
    return "\n".join(parts)


def _paragraphs(text: str) -> str:
    """Return the help text without the marks by which typer keeps line breaks."""
    return inspect.cleandoc(text).replace("\b\n", "").replace("\f", "").strip() + "\n"


def _is_argument(param: Any) -> bool:
    return bool(param.param_type_name == "argument")


def _argument(param: Any) -> str:
    name = param.metavar or param.name.upper()
    name = f"{name}..." if param.nargs == -1 else name
    return name if param.required else f"[{name}]"


def _row(param: Any, hints: dict[str, Any]) -> list[str]:
    if _is_argument(param):
        name = f"`{param.metavar or param.name.upper()}`"
    else:
        name = ", ".join(f"`{option}`" for option in (*param.opts, *param.secondary_opts))
    return [name, _value(hints[param.name]), _default(param), str(param.help or "")]


def _value(hint: Any) -> str:
    """Return the type of a parameter in words, from its annotation and its typer information."""
    annotation, *information = get_args(hint)
    words = _type(annotation)
    least, most = (getattr(information[0], side, None) for side in ("min", "max"))
    if least is not None and most is not None:
        words += f", {least:g} to {most:g}"
    elif least is not None:
        words += f", at least {least:g}"
    return words


def _type(annotation: Any) -> str:
    choices = [one for one in get_args(annotation) if one is not type(None)]
    if get_origin(annotation) is list:
        return f"{_type(choices[0])}, several times"
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in choices)
    if choices:
        return _type(choices[0])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{choice.value}`" for choice in annotation)
    return {bool: "", Path: "path", str: "text", int: "integer", float: "number"}[annotation]


def _default(param: Any) -> str:
    if param.required:
        return "required"
    value = param.default() if callable(param.default) else param.default
    if value in (None, "", ()) or value == []:
        return ""
    if isinstance(value, bool):
        return "" if not value else "on"
    return f"`{getattr(value, 'value', value)}`"
