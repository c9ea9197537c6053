"""The pictures of README and documentation are those that the command writes, and are small."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from tools import pictures

LIMIT_BYTES = 200_000


def test_the_drawing_in_the_tree_is_up_to_date() -> None:
    in_tree = (pictures.FOLDER / "line.svg").read_text(encoding="utf-8")
    assert in_tree == pictures.line_drawing(), "run: python -m tools.pictures"


def test_the_drawing_is_well_formed_and_has_a_title() -> None:
    root = ElementTree.fromstring(pictures.line_drawing())
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in pictures.FOLDER.iterdir()}
    assert set(sizes) == {"inspected-parts.jpg", "line.svg"}
    assert max(sizes.values()) < LIMIT_BYTES
