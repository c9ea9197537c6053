"""The process that decides about bundles: each step, each refusal, and a kill before each write.

The checks, the proof and the shadow are real. The test plays the station. One file, because all
tests drive the same process and played station.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge.active_bundle import read_active, with_active_bundle, write_active
from edge.assembly.admission import remember
from edge.bundle import parse_bundle
from edge.bundle.accepted import read_accepted
from edge.bundle.manifest import ChainManifest
from edge.errors import OutfeedError
from edge.inbox import Inbox
from edge.records import Decision
from edge.trial import process as module
from edge.trial import steps
from edge.trial.process import UpdateProcess
from edge.update_notes import TrialFigures
from edge.updates.channel import Accept, Revert, Switch
from edge.updates.files import read_fetch, write_fetch
from edge.updates.state import write_state
from tests.support.bundles import bundle_bytes
from tests.support.fake_station import FakeStation, download, new_process
from tests.support.keys import OTHER_KEY
from tests.support.updates import Line, desired, wanted

GOOD = bundle_bytes(version="1.1")
OTHER = bundle_bytes(version="1.2")


@pytest.fixture
def one(line: Callable[..., Line]) -> Line:
    return line()


@pytest.fixture
def station(one: Line) -> Iterator[FakeStation]:
    made = FakeStation(one.config)
    yield made
    made.close()


def work(
    process: UpdateProcess,
    station: FakeStation,
    until: Callable[[], object],
    seconds: float = 60.0,
) -> None:
    deadline_s = time.monotonic() + seconds
    while not until():
        process.step()
        station.turn()
        assert time.monotonic() < deadline_s, (station.states(), process.state)
        time.sleep(0.005)


def offered(one: Line, data: bytes = GOOD, version: str = "1.1", **changes: Any) -> str:
    """Publish a desired state, as downloaded already. Return the sha256."""
    bundle = wanted(data, version)
    one.publish(desired(bundle, **changes))
    download(one.config, data, bundle.sha256)
    return bundle.sha256


def test_a_good_bundle_passes_every_step(one: Line, station: FakeStation) -> None:
    sha256 = offered(one)
    process = new_process(station)
    work(process, station, lambda: "accepted" in station.states())
    assert station.states() == ["wanted", "checking", "shadow", "probation", "accepted"]
    figures = station.updates()[3].figures
    assert figures is not None
    assert figures.parts >= 60
    assert figures.rejects >= 10
    assert figures.new_rejects == figures.lost_rejects == 0
    active = read_active(one.config.paths.active_bundle)
    assert active is not None
    assert active.sha256 == sha256
    assert station.updates()[-1].running == active.bundle
    assert with_active_bundle(one.config).bundle.name == f"{sha256}.outfeed"
    highest = read_accepted(one.config.paths.accepted_bundles).highest
    assert highest == {"dark-spots": "1.1"}
    assert any(isinstance(each, Accept) for each in station.got)
    assert read_fetch(one.config.paths.fetch) == read_fetch(one.config.paths.fetch)
    assert (read_fetch(one.config.paths.fetch) or wanted(GOOD)).bundle is None


UNSIGNED = bundle_bytes(version="1.1", key=None)
FOREIGN = bundle_bytes(version="1.1", key=OTHER_KEY)
ELSEWHERE = bundle_bytes(version="1.1", compatible=("press",))
UNCERTIFIED = bundle_bytes(version="1.1", certified=False)
NO_GOLDEN = bundle_bytes(version="1.1", golden=False)
WRONG_GOLDEN = bundle_bytes(
    version="1.1",
    chain=ChainManifest(threshold=11.9),
    expected=parse_bundle(GOOD).manifest.golden,
)
ALTERED = GOOD[:4000] + bytes([GOOD[4000] ^ 1]) + GOOD[4001:]


@pytest.mark.parametrize(
    ("data", "version", "reason"),
    [
        (UNSIGNED, "1.1", "is unsigned"),
        (FOREIGN, "1.1", "trusted here"),
        (ALTERED, "1.1", "damaged"),
        (ELSEWHERE, "1.1", "is for press"),
        (UNCERTIFIED, "1.1", "certificate"),
        (NO_GOLDEN, "1.1", "golden"),
        (WRONG_GOLDEN, "1.1", "golden frame"),
        (GOOD, "1.7", "the desired state names dark-spots 1.7"),
        (b"no bundle at all", "1.1", "not a bundle"),
    ],
    ids=[
        "unsigned",
        "foreign key",
        "altered",
        "another type of station",
        "no certificate",
        "no golden frame",
        "golden frames differ",
        "another version",
        "no bundle",
    ],
)
def test_a_bundle_that_no_station_would_start_is_refused(
    one: Line, station: FakeStation, data: bytes, version: str, reason: str
) -> None:
    offered(one, data, version)
    process = new_process(station)
    work(process, station, lambda: "refused" in station.states())
    assert station.states() == ["wanted", "checking", "refused"]
    assert reason in station.updates()[-1].reason
    assert not any(isinstance(each, Switch) for each in station.got)
    assert not list(one.config.paths.update_bundles.glob("*.outfeed"))
    assert read_accepted(one.config.paths.accepted_bundles).highest == {}


def test_a_lower_version_needs_the_word_of_the_desired_state(
    one: Line, station: FakeStation
) -> None:
    process = new_process(station)
    offered(one, OTHER, "1.2")
    work(process, station, lambda: "accepted" in station.states())
    offered(one, GOOD, "1.1")
    work(process, station, lambda: "refused" in station.states())
    assert "1.2 has been accepted here" in station.updates()[-1].reason
    offered(one, GOOD, "1.1", allow_downgrade=True)
    work(process, station, lambda: station.states().count("accepted") == 2)
    active = read_active(one.config.paths.active_bundle)
    assert active is not None
    assert active.allow_downgrade
    assert with_active_bundle(one.config).trust.allow_downgrade


def test_a_bundle_that_sees_nothing_is_refused_by_its_shadow(
    one: Line, station: FakeStation
) -> None:
    """The running bundle rejects what it passes."""
    station.decide = lambda hole: Decision.REJECT
    offered(one)
    process = new_process(station)
    work(process, station, lambda: "refused" in station.states())
    assert station.states()[-2:] == ["shadow", "refused"]
    assert "only it passes" in station.updates()[-1].reason
    assert not any(isinstance(each, Switch) for each in station.got)


def test_an_over_eager_bundle_is_refused_by_its_shadow(one: Line, station: FakeStation) -> None:
    station.decide = lambda hole: Decision.PASS
    offered(one)
    process = new_process(station)
    work(process, station, lambda: "refused" in station.states())
    assert "only it rejects" in station.updates()[-1].reason


def test_too_few_parts_end_the_shadow(one: Line, station: FakeStation) -> None:
    clock = [time.time()]
    process = new_process(station, now_s=lambda: clock[0])
    offered(
        one,
        shadow={"parts": 1_000_000, "rejects": 1, "hours": 0.1},
        expires=round(time.time()) + 86_400,
    )
    work(process, station, lambda: "shadow" in station.states())
    clock[0] += 400
    work(process, station, lambda: "refused" in station.states())
    assert "are not enough" in station.updates()[-1].reason


def test_an_expired_desired_state_ends_before_the_switch(one: Line, station: FakeStation) -> None:
    clock = [time.time()]
    process = new_process(station, now_s=lambda: clock[0])
    one.publish(desired(wanted(GOOD)))
    work(process, station, lambda: "wanted" in station.states())
    clock[0] += 4000
    work(process, station, lambda: "refused" in station.states())
    assert "expired in the step 'downloading'" in station.updates()[-1].reason


def test_a_newer_one_ends_a_stuck_download(one: Line, station: FakeStation) -> None:
    process = new_process(station)
    one.publish(desired(wanted(OTHER, "1.2")))
    work(process, station, lambda: "wanted" in station.states())
    offered(one)
    work(process, station, lambda: "accepted" in station.states())
    assert station.states()[:3] == ["wanted", "superseded", "wanted"]


def test_stay_reverts_a_probation(one: Line, station: FakeStation) -> None:
    station.complete = False
    process = new_process(station)
    offered(one)
    work(process, station, lambda: "probation" in station.states())
    one.publish(desired(None))
    work(process, station, lambda: "kept" in station.states() and not station.probation)
    assert station.states()[-2:] == ["superseded", "kept"]
    assert read_active(one.config.paths.active_bundle) is None


def test_a_station_that_reverts_is_the_end(one: Line, station: FakeStation) -> None:
    station.complete = False
    process = new_process(station)
    offered(one)
    work(process, station, lambda: "probation" in station.states())
    station.revert("the golden frames differ")
    work(process, station, lambda: "reverted" in station.states())
    last = station.updates()[-1]
    assert (last.reason, last.running) == ("the golden frames differ", station.running)
    assert last.figures is not None
    assert last.figures.parts == 7
    assert read_active(one.config.paths.active_bundle) is None


def test_a_bundle_that_the_station_cannot_load_is_refused(one: Line, station: FakeStation) -> None:
    station.fault = "no memory"
    process = new_process(station)
    offered(one)
    work(process, station, lambda: "refused" in station.states())
    assert station.updates()[-1].reason == "no memory"


@pytest.mark.parametrize("phase", ["shadow", "probation", "accepted"])
def test_a_person_reverts_in_each_step(one: Line, station: FakeStation, phase: str) -> None:
    station.complete = phase == "accepted"
    if phase == "shadow":
        station.decide = lambda hole: Decision.UNKNOWN  # such parts do not count
    process = new_process(station)
    offered(one)
    work(process, station, lambda: phase in station.states())
    one.config.paths.revert.write_text("{}")
    ended = "refused" if phase == "shadow" else "reverted"
    station.complete = False
    work(process, station, lambda: ended in station.states())
    assert "outfeed bundle revert" in station.updates()[-1].reason
    assert not one.config.paths.revert.exists()
    if phase == "accepted":
        used = with_active_bundle(one.config)
        assert used.bundle.read_bytes() == one.config.bundle.read_bytes()
        assert used.trust.allow_downgrade


@pytest.mark.parametrize(
    ("end", "state"), [("stopped", "accepted"), ("power", "accepted"), ("crashed", "reverted")]
)
def test_a_restart_in_the_probation(
    one: Line, station: FakeStation, monkeypatch: pytest.MonkeyPatch, end: str, state: str
) -> None:
    monkeypatch.setattr(steps.TrialSteps, "_last_end", lambda self: end)
    station.complete = False
    process = new_process(station)
    offered(one)
    work(process, station, lambda: "probation" in station.states())
    process.close()
    station.restart("t2")
    station.complete = True
    process = new_process(station)
    work(process, station, lambda: state in station.states())
    assert station.states().count("probation") == 1
    switches = sum(isinstance(each, Switch) for each in station.got)
    assert switches == (2 if state == "accepted" else 1)


def test_a_probation_that_ended_while_the_process_was_gone_is_reported(
    one: Line, station: FakeStation
) -> None:
    station.complete = False
    process = new_process(station)
    offered(one)
    work(process, station, lambda: "probation" in station.states())
    process.close()
    station.running, station.probation = "dark-spots-1.0-0123456789ab", ""
    process = new_process(station)
    work(process, station, lambda: "reverted" in station.states())


class ScriptedShadow:
    """A shadow that passes at once."""

    def __init__(self, config: Any, link: Any, admitted: Any, trial: Any) -> None:
        self.sha256 = trial.body.bundle.sha256
        self.fault, self.is_complete = None, True
        self.figures = TrialFigures(parts=60, rejects=20, bundle_rejects=20)

    def turn(self) -> None: ...

    def fileno(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize("kills", [3, 4, 5, 6, 7, 9, 12])
def test_a_kill_before_each_write(
    kills: int, one: Line, station: FakeStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends before its Nth write, and again before each Nth write of its successors.

    However often that happens, each state is journalled once, and the bundle is accepted.
    """
    left = [kills]

    class Killed(BaseException):
        pass

    def dying(real: Any) -> Any:
        def write(*arguments: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                left[0] = kills
                raise Killed
            return real(*arguments)

        return write

    monkeypatch.setattr(steps, "LiveShadow", ScriptedShadow)
    monkeypatch.setattr(module, "write_state", dying(write_state))
    monkeypatch.setattr(module, "write_fetch", dying(write_fetch))
    monkeypatch.setattr(steps, "write_active", dying(write_active))
    monkeypatch.setattr(steps, "remember", dying(remember))
    monkeypatch.setattr(Inbox, "post", dying(Inbox.post))
    sha256 = offered(one)
    process = new_process(station)
    deadline_s = time.monotonic() + 60
    while "accepted" not in station.states():
        assert time.monotonic() < deadline_s, station.states()
        try:
            process.step()
        except Killed:
            process.close()
            process = new_process(station)
        station.turn()
    assert station.states() == ["wanted", "checking", "shadow", "probation", "accepted"]
    active = read_active(one.config.paths.active_bundle)
    assert active is not None
    assert active.sha256 == sha256


def test_a_damaged_state_is_one_line_and_nothing_is_followed(
    one: Line, station: FakeStation
) -> None:
    one.config.paths.updates.write_text("{}")
    offered(one)
    process = new_process(station)
    with pytest.raises(OutfeedError, match="permits earlier desired states again"):
        process.step()
    assert station.states() == []


def test_a_flood_of_unsigned_messages_is_limited(one: Line, station: FakeStation) -> None:
    process = new_process(station)
    for number in range(40):
        one.publish(b"nonsense %d" % number)
        for _ in range(3):
            process.step()
            station.turn()
    assert 16 <= station.states().count("refused") <= 17


def test_a_copied_folder_of_the_updater_cannot_lead_elsewhere(
    one: Line, station: FakeStation
) -> None:
    """A link in place of the file is not followed."""
    bundle = wanted(GOOD)
    one.publish(desired(bundle))
    download(one.config, GOOD, bundle.sha256)
    path = one.config.paths.updater / f"{bundle.sha256}.outfeed"
    other = one.folder / "elsewhere"
    other.write_bytes(GOOD)
    path.unlink()
    path.symlink_to(other)
    process = new_process(station)
    work(process, station, lambda: "refused" in station.states())
    assert "cannot be copied" in station.updates()[-1].reason


def test_revert_is_harmless_without_a_former_bundle(one: Line, station: FakeStation) -> None:
    process = new_process(station)
    one.config.paths.revert.write_text("{}")
    work(process, station, lambda: not one.config.paths.revert.exists())
    assert station.states() == []
    assert not any(isinstance(each, Revert) for each in station.got)
