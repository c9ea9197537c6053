"""The prose of the repository's files: Markdown, docstrings, comments, help texts and messages."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.language.text import TextBlock

MARKDOWN, DOCSTRING, COMMENT, HELP, MESSAGE = "Markdown", "docstring", "comment", "help", "message"

_COMMENTED = frozenset({".toml", ".sh", ".service", ".conf", ".rules", ".acl", ".yml", ".yaml"})
_HELP_ARGUMENTS = frozenset({"help", "short_help", "description", "title", "epilog"})
_FENCE = re.compile(r"\s*(```|~~~)")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d{1,3}[.)])\s+")
_HEADING = re.compile(r"\s*#{1,6}\s")
_TABLE = re.compile(r"\s*\||\s*[-=:+ ]{3,}$|\s*\+[-=]")
_COLUMNS = re.compile(r"\S {3,}\S")  # text laid out as a table by spaces
_PROMPT = re.compile(r"\s*(>>>|\.\.\. |\$ )")
_NO_PROSE = re.compile(r"#!|# ?(noqa|type:|fmt:|pragma|ruff:|mypy:|isort:|-\*-)")
_SETTING = re.compile(r"[\w.\"-]+ *= *\S|\[\[?[\w.]+\]\]?$")  # a line of a configuration
_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|DROP|ALTER|WITH|BEGIN|VACUUM)\b")
_STYLE = re.compile(r"[\w-]+:\s*[^;{}]+;|[{}]\s*$|\bfunction\s*\(|=>|\bconst ", re.MULTILINE)
_BLOCK_TAG = re.compile(
    r"</?(?!/?(?:a|abbr|b|code|em|i|q|small|span|strong|sub|sup)\b)[a-zA-Z!][^>]*>"
)
_PLAIN_WORD = re.compile(r"(?<![\w/.-])[A-Za-z][a-z]+(?![\w/])")
_MESSAGE_WORDS = 4


def tracked_files(root: Path) -> list[str]:
    """Return the paths of all files that Git tracks or would add, sorted. Raises OSError."""
    command = [
        "git",
        "-C",
        str(root),
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    result = subprocess.run(command, check=True, capture_output=True)
    names = sorted(set(result.stdout.decode().split("\0")) - {""})
    return [name for name in names if (root / name).is_file()]


def read_blocks(root: Path, path: str) -> Iterator[TextBlock]:
    """Yield the prose of one file; a file of another kind has none."""
    suffix = Path(path).suffix
    if suffix not in {".md", ".py", *_COMMENTED} and Path(path).name != "Makefile":
        return
    text = (root / path).read_text(encoding="utf-8")
    if suffix == ".md":
        yield from markdown_blocks(path, text)
    elif suffix == ".py":
        yield from python_blocks(path, text)
    else:
        yield from hash_comments(path, text)


def markdown_blocks(path: str, text: str, kind: str = MARKDOWN) -> Iterator[TextBlock]:
    """Yield paragraphs, headings and list items, without blocks of code and tables."""
    lines = text.split("\n")
    yield from _blocks(path, kind, lines, range(1, len(lines) + 1))


def python_blocks(path: str, text: str) -> Iterator[TextBlock]:
    """Yield docstrings, comments, help texts and, outside tests, messages of four words or more."""
    tree = ast.parse(text)
    documentation = list(docstrings(tree))
    for node in documentation:
        lines = _dedented(str(node.value))
        yield from _blocks(path, DOCSTRING, lines, range(node.lineno, node.lineno + len(lines)))
    yield from _python_comments(path, text)
    helps = [
        keyword.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in _HELP_ARGUMENTS
    ]
    taken = {id(node) for node in documentation}
    for value in helps:
        parts = [
            node for node in ast.walk(value) if isinstance(node, (ast.Constant, ast.JoinedStr))
        ]
        taken.update(map(id, parts))
        yield from _string_blocks(path, HELP, value)
    if not path.startswith("tests/"):
        yield from _messages(path, tree, taken)


def docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield every string that stands alone as a statement: docstrings, also those of fields."""
    alone = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    constants = (value for value in alone if isinstance(value, ast.Constant))
    yield from sorted(
        (value for value in constants if isinstance(value.value, str)), key=lambda v: v.lineno
    )


def hash_comments(path: str, text: str) -> Iterator[TextBlock]:
    """Yield the comments of a file in which # opens one at the start of a line or after a space."""
    comments = []
    for number, line in enumerate(text.split("\n"), start=1):
        for match in re.finditer(r"(?:^|(?<=\s))#", line):
            before = line[: match.start()]
            if before.count('"') % 2 == 0:
                comments.append((number, match.start(), line[match.start() :], not before.strip()))
                break
    yield from _comment_blocks(path, comments)


def _python_comments(path: str, text: str) -> Iterator[TextBlock]:
    comments = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            number, column = token.start
            comments.append((number, column, token.string, not token.line[:column].strip()))
    yield from _comment_blocks(path, comments)


def _comment_blocks(
    path: str, comments: Sequence[tuple[int, int, str, bool]]
) -> Iterator[TextBlock]:
    """Join the comments of successive lines in one column; those behind code stand alone."""
    lines: list[str] = []
    numbers: list[int] = []
    previous: tuple[int, int] | None = None
    for number, column, comment, alone in comments:
        if _NO_PROSE.match(comment):
            continue
        content = comment.lstrip("#").removeprefix(" ")
        if lines and not (alone and previous == (number - 1, column)):
            yield from _blocks(path, COMMENT, lines, numbers)
            lines, numbers = [], []
        lines.append("" if _SETTING.match(content) else content)
        numbers.append(number)
        previous = (number, column) if alone else None
    if lines:
        yield from _blocks(path, COMMENT, lines, numbers)


def _messages(path: str, tree: ast.AST, taken: set[int]) -> Iterator[TextBlock]:
    for node in ast.walk(tree):
        if id(node) in taken:
            continue
        if isinstance(node, ast.JoinedStr):
            taken.update(id(part) for part in ast.walk(node) if part is not node)
            yield from _string_blocks(path, MESSAGE, node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _string_blocks(path, MESSAGE, node)


def _string_blocks(path: str, kind: str, node: ast.expr) -> Iterator[TextBlock]:
    for text in _strings(node):
        if kind == MESSAGE and _is_program(text):
            continue
        for part in re.split(r"\n\s*\n", _BLOCK_TAG.sub("\n\n", text)):
            if kind == MESSAGE and len(_PLAIN_WORD.findall(part)) < _MESSAGE_WORDS:
                continue
            lines = part.split("\n")
            yield from _blocks(path, kind, lines, [node.lineno] * len(lines))


def _is_program(text: str) -> bool:
    """Return True for SQL, CSS, JavaScript and a configuration of two settings or more."""
    settings = sum(bool(_SETTING.match(line.strip())) for line in text.split("\n"))
    return bool(_SQL.match(text) or _STYLE.search(text)) or settings > 1


def _strings(node: ast.expr) -> Iterator[str]:
    """Yield the text of a string expression, with one word for each value put into it."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values
        )
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.BinOp):
        yield from _strings(node.left)
        yield from _strings(node.right)


def _dedented(docstring: str) -> list[str]:
    """Return the lines of a docstring as inspect.cleandoc does, but as many as in the file."""
    first, *rest = docstring.split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    return [first.lstrip(), *(line[margin:].rstrip() for line in rest)]


def _is_no_prose(line: str) -> bool:
    """Return True for an empty line, a row of a table and an example of a session."""
    if not line.strip() or _TABLE.match(line) or _PROMPT.match(line):
        return True
    return bool(_COLUMNS.search(line))


class _Collector:
    """Gathers lines until a block is complete."""

    def __init__(self, path: str, kind: str) -> None:
        self._path, self._kind = path, kind
        self.lines: list[str] = []
        self._numbers: list[int] = []

    def add(self, line: str, number: int) -> None:
        self.lines.append(line)
        self._numbers.append(number)

    def flush(self) -> Iterator[TextBlock]:
        if any(line.strip() for line in self.lines):
            text = "\n".join(self.lines)
            yield TextBlock(self._path, self._kind, text, tuple(self._numbers))
        self.lines, self._numbers = [], []


def _blocks(
    path: str, kind: str, lines: Sequence[str], numbers: Sequence[int]
) -> Iterator[TextBlock]:
    block = _Collector(path, kind)
    fenced = in_list = False
    indent = 0
    for line, number in zip(lines, numbers, strict=True):
        depth = len(line) - len(line.lstrip())
        if _FENCE.match(line):
            yield from block.flush()
            fenced = not fenced
        elif fenced:
            continue
        elif _is_no_prose(line):
            yield from block.flush()
        elif _ITEM.match(line):
            yield from block.flush()
            block.add(_ITEM.sub("", line, count=1), number)
            in_list, indent = True, depth
        elif kind in (MARKDOWN, DOCSTRING) and _HEADING.match(line):
            yield from block.flush()
            yield TextBlock(path, kind, line.lstrip("# "), (number,))
            in_list = False
        elif not block.lines and depth >= 4 and not in_list:
            continue  # an indented block of code
        else:
            if depth == 0 and not block.lines:
                in_list = False
            # A definition under "Args:" opens a block; so does each one after it.
            begins_definition = block.lines and (
                block.lines[-1].rstrip().endswith(":") and depth > indent
            )
            if (
                kind == DOCSTRING
                and block.lines
                and (begins_definition or (depth >= 4 > indent + 4))
            ):
                yield from block.flush()
            if not block.lines:
                indent = depth
            elif kind == DOCSTRING and not in_list and depth == indent >= 4:
                yield from block.flush()
            block.add(line, number)
    yield from block.flush()
