"""Plans of rollouts, and `outfeed bundle assign`."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from edge.__main__ import main
from edge.bundle.keys import write_key_pair
from edge.errors import OutfeedError
from edge.updates.desired import DesiredBundle, read_desired
from edge.updates.plan import (
    MAX_DAYS,
    MAX_FILE_BYTES,
    PlannedStation,
    RolloutPlan,
    read_plan,
    read_signed_rollout,
    sign_plan,
)
from tests.support.bundles import bundle_bytes
from tests.support.commands import OPERATOR, public

NOW_US = 1_790_000_000_000_000
BUNDLE = DesiredBundle(
    name="mine", version="1.2", sha256="ab" * 32, size_bytes=1000, file="mine-1.2.outfeed"
)
STATIONS = (PlannedStation(station="press-3", plant="Ulm", line="a"), PlannedStation(station="b"))
PLAN = RolloutPlan(rollout=7, bundle_id="mine-1.2-abababababab", bundle=BUNDLE, stations=STATIONS)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key_pair(tmp_path / "ada")[0]


def assign(*words: object) -> int:
    return main(["bundle", "assign", *map(str, words)])


def test_each_station_has_a_statement_of_its_own_with_the_terms_of_the_plan() -> None:
    plan = PLAN.model_copy(update={"days": 3, "note": "spring", "allow_downgrade": True})
    signed = sign_plan(plan, OPERATOR, NOW_US)
    assert signed.rollout == 7
    bodies = [each.read() for each in signed.statements]
    assert [(each.station, each.plant, each.line) for each in bodies] == [
        ("press-3", "Ulm", "a"),
        ("b", "", ""),
    ]
    for each in bodies:
        assert (each.bundle, each.note, each.allow_downgrade) == (BUNDLE, "spring", True)
        assert (each.revision, each.expires) == (NOW_US, NOW_US // 1_000_000 + 3 * 86_400)
    known = public(OPERATOR).removeprefix("ed25519:")
    assert all(each.signers({known}) == (known,) for each in signed.statements)
    assert read_signed_rollout(signed.model_dump_json()) == signed
    assert read_plan(plan.model_dump_json()) == plan


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stations": []}, "key 'stations'"),
        ({"days": MAX_DAYS + 1}, "key 'days'"),
        ({"output": 1}, "unknown key 'output'"),
        ({"type": "outfeed.rollout-plan/2"}, "key 'type'"),
        ({"bundle": {"name": "mine"}}, "key 'bundle.version' is missing"),
        ({"shadow": {"parts": 0}}, "key 'shadow.parts'"),
    ],
)
def test_a_wrong_plan_names_its_key(changes: dict[str, Any], reason: str) -> None:
    text = json.dumps({**json.loads(PLAN.model_dump_json()), **changes})
    with pytest.raises(OutfeedError, match="not a plan of a rollout: ") as caught:
        read_plan(text)
    assert reason in str(caught.value)


def test_a_wrong_station_or_a_repeat_is_one_line() -> None:
    twice = PLAN.model_copy(update={"stations": (STATIONS[0], STATIONS[0])})
    with pytest.raises(OutfeedError, match="names a station twice"):
        sign_plan(twice, OPERATOR, NOW_US)
    wrong = PLAN.model_copy(update={"stations": (PlannedStation(station="a/+"),)})
    with pytest.raises(OutfeedError, match="station 'a/\\+': key 'station'"):
        sign_plan(wrong, OPERATOR, NOW_US)
    with pytest.raises(OutfeedError, match="it has more than 32 MiB"):
        read_plan(b" " * (MAX_FILE_BYTES + 1))


def test_a_plan_is_signed_and_signed_again_by_a_second_person(
    tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, out = tmp_path / "rollout-7.json", tmp_path / "signed.json"
    plan.write_text(PLAN.model_dump_json())
    assert assign(plan, "--key", key, "--out", out) == 0
    found = capsys.readouterr()
    assert found.err == (
        "signing for 30 days: mine 1.2, SHA-256 abababababababab, for press-3, b\n"
    )
    assert found.out == f"{out}: 2 signed desired states\n"
    first = read_signed_rollout(out.read_bytes())
    second, _, _ = write_key_pair(tmp_path / "bob", b"secret words")
    words = tmp_path / "words"
    words.write_text("secret words\n")
    options = ("--key", second, "--passphrase-file", words)
    assert assign(out, *options, "--out", tmp_path / "both.json") == 0
    both = read_signed_rollout((tmp_path / "both.json").read_bytes())
    assert [len(each.signatures) for each in both.statements] == [2, 2]
    assert [each.body for each in both.statements] == [each.body for each in first.statements]


def test_a_bundle_is_assigned_without_a_central_system(
    tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, out = tmp_path / "dark.outfeed", tmp_path / "desired"
    bundle.write_bytes(bundle_bytes())
    options = ("--station", "press-3", "--station", "press-4", "--days", 5)
    assert assign(bundle, "--key", key, "--out", out, *options) == 0
    assert "publish it retained to the topic PREFIX/press-3/desired" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["press-3.json", "press-4.json"]
    body = read_desired((out / "press-3.json").read_bytes()).read()
    assert body.station == "press-3"
    assert body.expires - body.revision // 1_000_000 == 5 * 86_400
    assert body.bundle is not None
    digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert (body.bundle.sha256, body.bundle.file) == (digest, f"{digest}.outfeed")
    assert (body.bundle.name, body.bundle.version) == ("dark-spots", "1.0")


def test_faults_are_one_line_and_write_nothing(
    tmp_path: Path,
    key: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    plan, bundle, other = tmp_path / "p.json", tmp_path / "b.outfeed", tmp_path / "o.json"
    plan.write_text(PLAN.model_dump_json())
    bundle.write_bytes(bundle_bytes()[:-1])
    other.write_text("{")
    out = tmp_path / "out"
    cases: tuple[tuple[tuple[object, ...], int, str], ...] = (
        ((tmp_path / "none", "--key", key), 2, "cannot be read: No such file"),
        ((other, "--key", key), 1, f"{other}: not a plan of a rollout"),
        ((plan, "--key", key, "--station", "a"), 2, "--station and --days are for a bundle"),
        ((plan, "--key", key, "--days", 3), 2, "--station and --days are for a bundle"),
        ((bundle, "--key", key), 2, "--station is missing"),
        ((bundle, "--key", key, "--station", "a"), 1, f"{bundle}: is damaged"),
        ((plan, "--key", key.with_suffix(".pub")), 1, "is a public key"),
    )
    for words, status, reason in cases:
        assert assign(*words, "--out", out) == status, words
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert reason in line
        assert not out.exists()
    assert assign(plan, "--key", key, "--out", tmp_path / "no" / "folder.json") == 1
    assert "cannot be written" in capsys.readouterr().err
    bundle.write_bytes(bundle_bytes())
    assert assign(bundle, "--key", key, "--station", "a", "--out", plan) == 1
    assert "expected a folder" in capsys.readouterr().err
