"""Names of kinds and of people."""

import pytest

from edge.labelling.errors import LabelPageError
from edge.labelling.names import check_kind, check_person


@pytest.mark.parametrize("name", ["scratch", "Kratzer tief", "刮痕", "no-fill_2", "e\u0301raflure"])
def test_a_name_that_a_folder_may_have_is_a_kind(name: str) -> None:
    assert check_kind(name, ["dent"]) == name.replace("e\u0301", "é")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "1 to 60 printable"),
        ("x" * 61, "1 to 60 printable"),
        (" dent", "space at either end"),
        ("a\nb", "printable"),
        (".hidden", "no point at either end"),
        ("end.", "no point at either end"),
        ("../up", "no point at either end"),
        ("a/b", "none of"),
        ("a\\b", "none of"),
        ("a:b", "none of"),
        ("good", "another meaning"),
        ("OK", "another meaning"),
        ("masks", "another meaning"),
        ("train", "another meaning"),
        ("Dent", "'dent' in capitals only"),
    ],
)
def test_another_name_is_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(LabelPageError, match=reason) as caught:
        check_kind(name, ["dent"])
    assert len(str(caught.value).splitlines()) == 1


def test_an_existing_kind_is_accepted_again() -> None:
    assert check_kind("dent", ["dent"]) == "dent"


def test_the_name_of_a_person_is_trimmed_and_bounded() -> None:
    assert check_person("  Ada L. ") == "Ada L."
    for name in ("", "   ", "x" * 61, "a\tb"):
        with pytest.raises(LabelPageError, match="name: expected"):
            check_person(name)
