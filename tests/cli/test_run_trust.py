"""outfeed run: whose bundles a station runs, for which station, and no older ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Outfeed, Result
from tests.support.bundles import small_bundle
from tests.support.keys import KEY_ID, OTHER_KEY, OTHER_KEY_ID, OTHER_TRUST, TRUST

Run = Callable[..., Result]


@pytest.fixture
def run(outfeed: Outfeed, configure: Callable[..., Path]) -> Run:
    """run("compatible = …\n", trust=…): twelve parts; the lines go into the [trust] section."""

    def call(lines: str = "", **keys: Any) -> Result:
        path = configure(**keys)
        text = path.read_text().replace("[trust]\n", f"[trust]\n{lines}")
        path.write_text(text)
        return outfeed("--quiet", "run", "--config", path)

    return call


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The bundle that the station is configured with."""
    return tmp_path / "small.outfeed"


def highest(tmp_path: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((tmp_path / "state/bundles.json").read_text())["highest"]
    return found


def test_a_trusted_bundle_runs(run: Run, tmp_path: Path) -> None:
    assert run().status == 0
    assert highest(tmp_path) == {"dark-spots": "1.0"}
    (tmp_path / "plant.pub").write_text(f"{TRUST}\n")
    assert run(trust='plant.pub", "' + OTHER_TRUST).status == 0


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "is unsigned; `outfeed bundle sign` signs it"),
        (OTHER_KEY, f"is signed by key {OTHER_KEY_ID}; trusted here: {KEY_ID}"),
    ],
)
def test_an_untrusted_bundle_does_not_run(
    run: Run, path: Path, tmp_path: Path, key: Any, said: str
) -> None:
    small_bundle(path, key=key)
    result = run()
    assert (result.status, result.out, result.line) == (1, "", f"outfeed: {path}: {said}")
    assert not (tmp_path / "state").exists()


def test_an_altered_bundle_does_not_run(run: Run, path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    for at in (50, len(whole) // 2, len(whole) - 300, len(whole) - 150, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        result = run()
        assert (result.status, result.out) == (1, "")
        assert result.line.startswith(f"outfeed: {path}: is damaged")
    assert not (tmp_path / "state").exists()


def test_a_station_without_a_trusted_key_runs_nothing(
    outfeed: Outfeed,
    configure: Callable[..., Path],
) -> None:
    path = configure()
    path.write_text(path.read_text().replace(f'keys = ["{TRUST}"]', "keys = []"))
    result = outfeed("run", "--config", path)
    assert (result.status, "key 'trust.keys': names no key" in result.line) == (78, True)


def test_keys_that_cannot_be_used(run: Run, tmp_path: Path) -> None:
    (tmp_path / "garbage.pub").write_text("garbage")
    for trust, said in (
        ("none.pub", f"key 'trust.keys': {tmp_path}/none.pub: cannot be read: No such file"),
        ("garbage.pub", f"key 'trust.keys': {tmp_path}/garbage.pub: is no public key; expected"),
        ("ed25519:12", "key 'trust.keys': a key is ed25519: and 64 hex digits"),
    ):
        result = run(trust=trust)
        assert (result.status, result.out, said in result.line) == (78, "", True), result.err


def test_a_bundle_for_other_stations_does_not_run(run: Run, path: Path) -> None:
    said = f"outfeed: {path}: is for outfeed; this station is press-line (trust.compatible)"
    result = run('compatible = "press-line"\n')
    assert (result.status, result.out, result.line) == (1, "", said)
    small_bundle(path, compatible=("press", "press-line"))
    assert run('compatible = "press-line"\n').status == 0
    result = run()
    assert result.line == (
        f"outfeed: {path}: is for press, press-line; this station is outfeed (trust.compatible)"
    )


def test_an_older_version_does_not_run(run: Run, path: Path, tmp_path: Path) -> None:
    for version in ("1.9", "1.10", "1.10.0+again"):
        small_bundle(path, version=version)
        assert run().status == 0
    assert highest(tmp_path) == {"dark-spots": "1.10"}
    small_bundle(path, version="1.9")
    result = run()
    assert (result.status, result.out) == (1, "")
    assert result.line == (
        f"outfeed: {path}: is version 1.9 of dark-spots, and 1.10 has been accepted here; "
        "trust.allow_downgrade = true permits it"
    )
    assert run("allow_downgrade = true\n").status == 0
    assert highest(tmp_path) == {"dark-spots": "1.10"}
    assert run().status == 1
    small_bundle(path, name="other", version="0.1")
    assert run().status == 0


def test_a_bundle_that_did_not_prove_itself_was_not_accepted(
    run: Run, path: Path, tmp_path: Path
) -> None:
    assert run().status == 0
    small_bundle(path, version="9", certified=False)
    assert run().status == 1
    assert highest(tmp_path) == {"dark-spots": "1.0"}


def test_a_damaged_memory_is_refused_and_kept(run: Run, tmp_path: Path) -> None:
    memory = tmp_path / "state/bundles.json"
    memory.parent.mkdir()
    memory.write_text('{"highest": {"dark-sp')
    result = run()
    assert (result.status, result.out) == (1, "")
    assert result.line.startswith(f"outfeed: key 'state_dir': {memory}: is damaged: ")
    assert run("allow_downgrade = true\n").status == 1
    assert memory.read_text() == '{"highest": {"dark-sp'


def test_a_memory_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "state/.bundles.json.part").mkdir(parents=True)
    result = run()
    assert result.status == 0  # the line goes on, and the log holds the reason
    assert (
        f"accepted_version_refused reason=key 'state_dir': {tmp_path}/state/bundles.json: "
        in result.err
    )


@pytest.mark.parametrize("content", [b"", b"\0" * 4096])
@pytest.mark.parametrize("name", ["bundles.json", "bundles.backup.json"])
def test_a_memory_that_a_power_cut_emptied_is_read_from_its_copy(
    run: Run, path: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    assert run().status == 0
    (tmp_path / "state" / name).write_bytes(content)
    small_bundle(path, version="0.9")
    result = run()
    assert result.status == 1
    assert "is version 0.9 of dark-spots, and 1.0 has been accepted here" in result.err
    assert f"{name}: was emptied, as by a power cut" in result.err
    small_bundle(path)
    assert run().status == 0
    assert json.loads((tmp_path / "state" / name).read_text())["highest"] == {"dark-spots": "1.0"}


def test_a_memory_and_its_copy_that_were_emptied_stop_no_line(run: Run, tmp_path: Path) -> None:
    assert run().status == 0
    for name in ("bundles.json", "bundles.backup.json"):
        (tmp_path / "state" / name).write_bytes(b"")
    result = run()
    assert result.status == 0
    assert result.err.count("accepted_versions_impaired") >= 2
    assert highest(tmp_path) == {"dark-spots": "1.0"}


def test_a_damaged_memory_is_read_from_its_copy_too(run: Run, path: Path, tmp_path: Path) -> None:
    assert run().status == 0
    (tmp_path / "state/bundles.json").write_text('{"highest": {"dark-sp')
    small_bundle(path, version="0.9")
    assert run().status == 1
    small_bundle(path)
    assert run().status == 0
    assert highest(tmp_path) == {"dark-spots": "1.0"}


def test_the_higher_of_both_counts(run: Run, path: Path, tmp_path: Path) -> None:
    small_bundle(path, version="2.0")
    assert run().status == 0
    (tmp_path / "state/bundles.json").write_text('{"format":1,"highest":{"dark-spots":"1.0"}}')
    small_bundle(path, version="1.0")
    assert run().status == 1


def test_a_memory_that_cannot_be_read_is_refused_as_long_as_its_copy_cannot(
    run: Run, tmp_path: Path
) -> None:
    """An error of the card, for instance: 1, with which systemd tries again."""
    assert run().status == 0
    whole = (tmp_path / "state/bundles.json").read_bytes()
    for name in ("bundles.json", "bundles.backup.json"):
        (tmp_path / "state" / name).unlink()
        (tmp_path / "state" / name).mkdir()
    result = run()
    assert result.status == 1
    assert "bundles.json: cannot be read: Is a directory" in result.line
    (tmp_path / "state/bundles.backup.json").rmdir()
    (tmp_path / "state/bundles.backup.json").write_bytes(whole)
    result = run()
    assert result.status == 0
    assert "accepted_versions_impaired" in result.err
