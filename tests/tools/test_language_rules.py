"""The rules of tools.language, each on good and on bad text."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from tools.language import structure
from tools.language.__main__ import ROOT
from tools.language.figures import LanguageFigures, folder_of, is_within, measure
from tools.language.sources import markdown_blocks
from tools.language.structure import PythonFile
from tools.language.words import BannedTerm, banned_words, read_terms

LONG = "This sentence " + "is much too long " * 8 + "."
TERMS = (
    BannedTerm("report", ("said", "told", "goes by"), ("it is told apart",), ("said",), ("seen",)),
    BannedTerm("only names", (), (), ("kick",)),
)


def python(text: str, path: str = "edge/a.py") -> PythonFile:
    return PythonFile(path, text, ast.parse(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The station said so.", ["said"]),
        ("Told twice: the log\nsaid it.", ["Told", "said"]),
        ("It goes\nby.", ["goes by"]),
        ("A said-so.", ["said"]),
        ("The value is reported.", []),
        ("A foretold saids.", []),
        ("Call `said` and ``told()``.", []),
        ("The function said() is old.", []),
        ("module.said and is_said", []),
        ('The old word was "said" and “told”.', []),
        ("[link](said.md) and https://example.org/told", []),
        ("Here it is told apart.", []),
        ("Here it is told apart, and told.", ["told"]),
    ],
)
def test_banned_words(text: str, expected: list[str]) -> None:
    hits = list(banned_words(list(markdown_blocks("a.md", text)), TERMS))
    assert [word for _, _, word, _ in hits] == expected
    assert all(use == "report" for *_, use in hits)


def test_code_and_tables_of_markdown_may_have_banned_words() -> None:
    text = "```\nsaid\n```\n\n| said | told |\n|---|---|\n\nIt said.\n"
    hits = list(banned_words(list(markdown_blocks("a.md", text)), TERMS))
    assert [line for _, line, _, _ in hits] == [8]


def test_openers() -> None:
    text = '"""What it is."""\ndef a():\n    """whether so."""\ndef b():\n    """Return it."""\n'
    text += 'X = 1\n"""Which one."""\n"""Whatever."""\n'
    assert [line for line, _ in structure.openers(python(text))] == [1, 3, 7]


def test_class_names_used_twice() -> None:
    one = python("class A: ...\nclass _B: ...\nclass C: ...\n", "edge/a.py")
    two = python("class A: ...\nclass _B: ...\n", "models/b.py")
    test = python("class C: ...\n", "tests/c.py")
    assert list(structure.duplicate_classes([one, two, test])) == [
        ("edge/a.py", 1, "A"),
        ("models/b.py", 1, "A"),
    ]


def test_long_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    body = "    pass\n" * structure.MAX_FUNCTION_LINES
    file = python(f"def long():\n{body}\n\ndef short():\n{body[:-9]}")
    assert list(structure.long_functions(file)) == [(1, "long", structure.MAX_FUNCTION_LINES + 1)]
    monkeypatch.setitem(structure.LONG_FUNCTIONS, "edge/a.py::long", "a table of one command")
    assert list(structure.long_functions(file)) == []


def test_a_docstring_makes_no_function_long() -> None:
    body = "    pass\n" * (structure.MAX_FUNCTION_LINES - 1)
    file = python(f'def long():\n    """One.\n\n    Two.\n    """\n{body}')
    assert list(structure.long_functions(file)) == []


def test_sizes_of_files() -> None:
    lines = "x = 1\n" * structure.MAX_FILE_LINES
    assert structure.needs_reason(python('"""A table."""\n' + lines))
    assert not structure.needs_reason(python('"""One file, because\nit is a table."""\n' + lines))
    assert not structure.needs_reason(python(lines))
    assert structure.is_fragment(python("x = 1\n" * (structure.MIN_FILE_LINES - 1)))
    assert not structure.is_fragment(python("x = 1\n" * structure.MIN_FILE_LINES))
    assert not structure.is_fragment(python("x = 1\n", "edge/__init__.py"))


def test_imports_of_test_modules() -> None:
    text = "from tests.a.test_b import c\nfrom tests.a import test_b, d\nimport tests.test_c\n"
    text += "from tests.support.keys import TRUST\nfrom tests import support\n"
    assert [line for line, _ in structure.test_imports(python(text))] == [1, 2, 3]


def test_names_to_replace() -> None:
    text = "def said(kickTest, seen): ...\nclass KickPulse: ...\nx.seen = seen_parts = 1\n"
    text += "print(said)\n"
    assert [(line, name) for line, name, _ in structure.poor_names(python(text), TERMS)] == [
        (1, "kickTest"),
        (1, "said"),
        (1, "seen"),
        (2, "KickPulse"),
        (3, "seen"),
    ]


def test_folders() -> None:
    assert is_within("edge/line/a.py", "edge/line/")
    assert is_within("edge/line/a.py", "./edge/line/a.py")
    assert not is_within("edge/liner.py", "edge/line")
    assert is_within("README.md", "")
    assert folder_of("edge/line/a.py") == "edge/line"
    assert folder_of("models/line/a.py") == "models"
    assert folder_of("README.md") == "README.md"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "docs/reference").mkdir(parents=True)
    words = '[[term]]\nuse = "report"\nwords = ["said"]\n'
    (tmp_path / "docs/reference/words.toml").write_text(words)
    (tmp_path / "edge").mkdir()
    (tmp_path / ".gitignore").write_text("build/\n")
    return tmp_path


def test_a_clean_repository_breaks_no_bar(repository: Path) -> None:
    (repository / "README.md").write_text("This is a plain sentence.\n")
    (repository / "edge/a.py").write_text('"""The letter A."""\n')
    assert measure(repository).broken() == []


def test_every_bar(repository: Path) -> None:
    (repository / "README.md").write_text(f"It said so.\n\n{LONG}\n")
    body = "    pass\n" * 61
    (repository / "edge/a.py").write_text(f'"""What it is."""\nclass A: ...\ndef f():\n{body}')
    (repository / "edge/b.py").write_text("import tests.test_a\nclass A: ...\n" + "\n" * 400)
    (repository / "build").mkdir()
    (repository / "build/ignored.md").write_text("It said so.\n")
    figures = measure(repository)
    assert [line.split(";")[0] for line in figures.broken()] == [
        "33.3% of the sentences have over 30 words",
        "1 docstrings that open with a question word",
        "1 banned words",
        "1 public class names used twice",
        "1 functions over 60 lines",
        "1 files over 400 lines without a reason",
        "1 imports of test modules",
    ]
    assert [str(hit) for hit in figures.of("words")] == [
        'README.md:1: "said": use report (Markdown)'
    ]
    assert [hit.path for hit in figures.of("classes", "edge/b.py")] == ["edge/b.py"]


def test_two_of_a_hundred_sentences_may_not_be_long() -> None:
    figures = LanguageFigures()
    figures.sentences["docs"] = 100
    assert figures.long_share() == 0.0
    assert figures.broken() == []


def test_the_words_of_this_repository() -> None:
    terms = read_terms(ROOT)
    words = [word for term in terms for word in term.words]
    assert len(words) == len(set(words))
    assert {"kick", "said", "sentinel"} <= set(words)
    assert all(term.use for term in terms)
