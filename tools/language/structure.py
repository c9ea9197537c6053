"""Rules about names, sizes and imports of Python files."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.language.sources import docstrings
from tools.language.words import BannedTerm

CODE = ("edge", "models", "export", "bench", "central", "tools")
MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400
MIN_FILE_LINES = 40
# The docstring of a longer file gives the reason: "One file, because …".
REASON = re.compile(r"\bone file,? because\b", re.IGNORECASE)
_OPENER = re.compile(r"\W*(what|whats|who|whose|how|whether|where|which|when)\b", re.IGNORECASE)

# path::function: the reason why it is longer than 60 lines.
LONG_FUNCTIONS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class PythonFile:
    """A parsed file. path: relative to the repository, with slashes."""

    path: str
    text: str
    tree: ast.Module

    @property
    def top(self) -> str:
        """The first folder of the path."""
        return self.path.split("/", 1)[0]


def openers(file: PythonFile) -> Iterator[tuple[int, str]]:
    """Yield the line and the first words of docstrings that open with a question word."""
    for node in docstrings(file.tree):
        text = str(node.value)
        if _OPENER.match(text):
            yield node.lineno, " ".join(text.split()[:8])


def duplicate_classes(files: Sequence[PythonFile]) -> Iterator[tuple[str, int, str]]:
    """Yield path, line and name of every public class whose name another file has too."""
    places: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for file in files:
        if file.top in CODE:
            for node in file.tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append((file.path, node.lineno))
    for name, defined in sorted(places.items()):
        if len({path for path, _ in defined}) > 1:
            for path, line in defined:
                yield path, line, name


def long_functions(file: PythonFile) -> Iterator[tuple[int, str, int]]:
    """Yield line, name and number of lines of functions that are longer than allowed, from `def` to
    the last line, without the docstring."""
    for node in ast.walk(file.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
            if lines > MAX_FUNCTION_LINES and f"{file.path}::{node.name}" not in LONG_FUNCTIONS:
                yield node.lineno, node.name, lines


def needs_reason(file: PythonFile) -> bool:
    """Return True for a file over 400 lines whose docstring gives no reason for it."""
    if file.text.count("\n") <= MAX_FILE_LINES:
        return False
    return not REASON.search(" ".join((ast.get_docstring(file.tree) or "").split()))


def is_fragment(file: PythonFile) -> bool:
    """Return True for a file under 40 lines other than `__init__.py` and `__main__.py`."""
    if file.path.rsplit("/", 1)[-1] in {"__init__.py", "__main__.py", "conftest.py"}:
        return False
    return file.text.count("\n") < MIN_FILE_LINES


def test_imports(file: PythonFile) -> Iterator[tuple[int, str]]:
    """Yield line and module of every import of a test module from another file."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        for module in modules:
            if re.fullmatch(r"tests\.(?:\w+\.)*test_\w+", module):
                yield node.lineno, module
                break


def poor_names(file: PythonFile, terms: Sequence[BannedTerm]) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and the term to use for names that a better one replaces, where they are
    defined: classes, functions, arguments, variables and attributes."""
    parts = {part: term.use for term in terms for part in term.names}
    exact = {name: term.use for term in terms for name in term.exact}
    for line, name in sorted(set(_defined_names(file.tree))):
        pieces = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
        uses = [parts[piece] for piece in pieces if piece in parts]
        if not uses and name in exact:
            uses = [exact[name]]
        if uses:
            yield line, name, uses[0]


def _defined_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    if ast.get_docstring(node, clean=False) is None:
        return 0
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1
