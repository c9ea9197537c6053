"""outfeed quarantine: from an operator's mark to a part that may be learned from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import PATIENT, Outfeed


def test_from_a_mark_to_a_release(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    path = configure("[pictures]\nmin_free_mb = 0\n", **PATIENT)
    assert outfeed("--quiet", "run", "--config", path).status == 0
    for part, kind in ((1, "false-reject"), (4, "false-reject"), (4, "look"), (2, "escape")):
        arguments = ("--as", kind, "--note", "\x1b[31mred" if part == 1 else "")
        assert outfeed("mark", "--config", path, part, *arguments).status == 0
    assert outfeed("--quiet", "run", "--config", path).status == 0
    folder = tmp_path / "q"
    found = outfeed("quarantine", "collect", "--config", path, "--out", folder)
    assert found.status == 1  # part 2 passed, and its picture was not stored
    assert found.line == "outfeed: part 2: its picture is not in the picture store (any more)"
    assert found.out.splitlines()[-1] == f"{folder}: 3 parts, 3 new, 0 changed"
    assert "\x1b" not in found.out
    assert "note: \\x1b[31mred" in found.out

    listed = outfeed("quarantine", "list", folder)
    assert listed.status == 0
    assert listed.out.count("not released") == 3
    assert outfeed("quarantine", "list", folder, "--json").records[0]["part_id"] == 1

    refused = outfeed("quarantine", "release", folder, 4, "--by", "Ada")
    assert (refused.status, "state the claim with --as" in refused.line) == (1, True)
    done = outfeed("quarantine", "release", folder, "--all", "--by", "Ada")
    assert (done.status, done.out) == (0, f"{folder}: 1 parts released, 2 not\n")
    done = outfeed("quarantine", "release", folder, 4, "--by", "Ada", "--as", "false-reject")
    assert done.out == f"{folder}: 1 parts released\n"
    assert outfeed("quarantine", "list", folder).out.count("released as false-reject by Ada") == 2
    assert outfeed("quarantine", "withhold", folder, 4).out == f"{folder}: 1 parts withheld\n"
    assert outfeed("quarantine", "list", folder).out.count("released as") == 1


def test_waiting_marks_are_reported(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    path = configure("[pictures]\nmin_free_mb = 0\n", **PATIENT)
    assert outfeed("--quiet", "run", "--config", path).status == 0
    words = ("quarantine", "collect", "--config", path, "--out", tmp_path / "q")
    assert outfeed(*words).status == 0
    for part in (1, 4):
        outfeed("mark", "--config", path, part, "--as", "false-reject")
    found = outfeed(*words)
    assert (found.status, found.out) == (1, f"{tmp_path / 'q'}: 0 parts, 0 new, 0 changed\n")
    assert "inbox: 2 marks wait that the station has not read" in found.line
    assert len(list((tmp_path / "state/inbox").iterdir())) == 2, "only looked at"
    assert outfeed("--quiet", "run", "--config", path).status == 0
    assert outfeed(*words).status == 0


def test_what_is_asked_for_wrongly(outfeed: Outfeed, tmp_path: Path) -> None:
    for arguments, status, said in (
        (("release", tmp_path, "--by", "Ada"), 2, "either PARTs or --all"),
        (("release", tmp_path, 1, "--all", "--by", "Ada"), 2, "either PARTs or --all"),
        (("release", tmp_path, 1), 2, "--by: expected the name"),
        (
            ("release", tmp_path, 1, "--by", "A", "--as", "good"),
            2,
            "escape, false-reject, true-reject",
        ),
        (("release", tmp_path, "--all", "--by", "A", "--as", "escape"), 2, "--as needs PARTs"),
        (("release", tmp_path, 1, "--by", "Ada"), 1, "quarantine.json: cannot be read"),
        (("withhold", tmp_path), 2, "withhold takes PARTs"),
        (("list", tmp_path), 1, "quarantine.json: cannot be read"),
    ):
        result = outfeed("quarantine", *arguments)
        assert (result.status, said in result.line) == (status, True), result.err
    assert list(tmp_path.iterdir()) == []
