"""A part of a data set by name, and by whether it shows a defect."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.data.dataset import DataError, DataSet, Sample
from models.data.split import select
from models.training.recipe import load_recipe


def dataset(*samples: tuple[str, str]) -> DataSet:
    """(name, kind or nothing) each."""
    made = tuple(Sample(n, Path(n), n, (kind,) if kind else ()) for n, kind in samples)
    kinds = tuple(sorted({kind for _, kind in samples if kind}))
    return DataSet(Path("/data"), "generic", kinds, 1, made)


LINE = dataset(("a/1.png", "pit"), ("a/2.png", ""), ("b/1.png", "bar"), ("b/2.png", ""))


def names(some: DataSet) -> list[str]:
    return [sample.name for sample in some.samples]


def test_by_default_everything_is_taken() -> None:
    assert select(LINE) is LINE


def test_names_take_the_kinds_with_them() -> None:
    assert names(select(LINE, "^b/")) == ["b/1.png", "b/2.png"]
    assert select(LINE, "^b/").kinds == ("bar",)


def test_defective_only() -> None:
    assert names(select(LINE, defective_only=True)) == ["a/1.png", "b/1.png"]
    assert names(select(LINE, "^a/", defective_only=True)) == ["a/1.png"]


@pytest.mark.parametrize(
    ("pattern", "defective", "said"),
    [
        ("(", False, "names '(': is no regular expression: "),
        ("^c/", False, "/data: no picture has a name with '^c/'"),
        ("2", True, "/data: no defective picture has a name with '2'"),
    ],
)
def test_what_leaves_nothing_is_one_line(pattern: str, defective: bool, said: str) -> None:
    with pytest.raises(DataError) as caught:
        select(LINE, pattern, defective_only=defective)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_the_papers_part_of_dagm() -> None:
    """Classes 1 to 6, defective pictures only; class 10 is not class 1."""
    told = load_recipe("paper-dagm2007").split
    dagm = dataset(
        ("Class1/Train/0001.PNG", "class1"),
        ("Class10/Test/0001.PNG", "class10"),
        ("Class6/Test/0003.PNG", "class6"),
        ("Class6/Test/0004.PNG", ""),
        ("Class7/Train/0002.PNG", "class7"),
    )
    found = select(dagm, told.names, defective_only=told.defective_only)
    assert names(found) == ["Class1/Train/0001.PNG", "Class6/Test/0003.PNG"]
    assert found.kinds == ("class1", "class6")
    one = dataset(("Train/0001.PNG", "class3"), ("Test/0002.PNG", "class3"))
    assert select(one, told.names, defective_only=True) is one


def test_the_papers_part_of_aiglern() -> None:
    assert round(38 * load_recipe("paper-aiglern").split.validation_share) == 14
