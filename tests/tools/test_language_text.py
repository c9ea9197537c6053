"""Splitting prose into sentences, and finding it in files."""

from __future__ import annotations

import pytest

from tools.language.sources import hash_comments, markdown_blocks, python_blocks
from tools.language.text import TextBlock, sentences


def lengths(text: str) -> list[int]:
    return [sentence.words for sentence in sentences(TextBlock("a.md", "Markdown", text, (1,)))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One two three. Four five.", [3, 2]),
        ("Is it so? Yes! It is…", [3, 1, 2]),
        ("It has no end", [4]),
        ("The limit is 0.5 % of 1.25 MB in v1.2.3 here.", [10]),
        ("Set a limit, e.g. 5 ms, i.e. a short one.", [10]),
        ("He & Liu et al. 2020 in Fig. 3, Sec. IV and Eq. 5.", [13]),
        ("Lamps, cameras, etc. The rest follows.", [3, 3]),
        ("See approx. 30 parts vs. 40 parts.", [7]),
        ("Call `a. b c. d` now.", [3]),
        ("Call ``write(path, data)`` twice. Then stop.", [3, 2]),
        ("Read [the long page](https://example.org/a.b?c) or https://example.org/x.y.", [6]),
        ("A [link](../a/b.md#c-d). Next one.", [2, 2]),
        ("**Bold.** Then *more.* End.", [1, 2, 1]),
        ('He wrote "stop." Then it stopped.', [3, 3]),
        ("1. Install the system", [4]),
        ("A – B — C", [3]),
        ("by J. Doe and B. Roe.", [6]),
        ("Its own. x is next.", [2, 3]),
        ("<b>Bold</b> text<br>goes on.", [4]),
        ("…", []),
    ],
)
def test_sentences_and_their_words(text: str, expected: list[int]) -> None:
    assert lengths(text) == expected


MARKDOWN = """\
# A heading

A paragraph of two lines,
which goes on. A second sentence.

- first item. With two sentences
  and a second line
- second item

| a table | is no prose |
|---|---|
| a. b. | c. d. |

```
code is. no prose.
```

1. a numbered item

    indented code. is no prose.

A last `paragraph
with` code.
"""


def test_blocks_of_markdown_and_their_lines() -> None:
    blocks = list(markdown_blocks("a.md", MARKDOWN))
    texts = [" ".join(block.text.split()) for block in blocks]
    assert texts == [
        "A heading",
        "A paragraph of two lines, which goes on. A second sentence.",
        "first item. With two sentences and a second line",
        "second item",
        "a numbered item",
        "indented code. is no prose.",  # below an item it is a paragraph of the item
        "A last `paragraph with` code.",
    ]
    assert [block.lines[0] for block in blocks] == [1, 3, 6, 8, 18, 20, 22]
    all_sentences = [s for block in blocks for s in sentences(block)]
    assert [
        (s.line, s.words) for s in all_sentences if s.text.startswith(("A second", "With"))
    ] == [
        (4, 3),
        (6, 7),
    ]


PYTHON = '''\
"""The module. It has two sentences.

Args:
    name: the name of it
    other: something else that
        goes on

    code = is_skipped(here)

>>> 1 + 1
"""

import logging

LIMIT = 5  # parts that wait
"""The limit of a queue."""

# A comment that
# goes on. And ends.
#   wide   table   of words


def write(path):  # noqa: D103
    # type: ignore
    """Write a file."""
    log.warning("file_left_out path=%s", path)
    raise ValueError(f"the file {path} is not a file of ours")


app.option("--limit", help="Most parts " "that wait.")
query = "SELECT a FROM b WHERE c AND d"
style = "body { color: red; } a b c d"
short = "two words"
'''


def test_blocks_of_python() -> None:
    blocks = list(python_blocks("edge/a.py", PYTHON))
    texts = [(block.kind, block.lines[0], " ".join(block.text.split())) for block in blocks]
    assert texts == [
        ("docstring", 1, "The module. It has two sentences."),
        ("docstring", 3, "Args:"),
        ("docstring", 4, "name: the name of it"),
        ("docstring", 5, "other: something else that goes on"),
        ("docstring", 16, "The limit of a queue."),
        ("docstring", 25, "Write a file."),
        ("comment", 15, "parts that wait"),
        ("comment", 18, "A comment that goes on. And ends."),
        ("help", 30, "Most parts that wait."),
        ("message", 27, "the file X is not a file of ours"),
    ]


def test_strings_of_tests_are_no_messages() -> None:
    blocks = python_blocks("tests/test_a.py", 'name = "a string of many words"\n')
    assert list(blocks) == []


def test_comments_of_other_files() -> None:
    text = '# One comment\n# on two lines.\nkey = "a # b"  # of a key\n# other = 5\n# The end.\n'
    texts = [" ".join(block.text.split()) for block in hash_comments("a.toml", text)]
    assert texts == ["One comment on two lines.", "of a key", "The end."]
