"""The judgement after a start, by what the unit does."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge.updates.system.boot_loader import SystemImage
from edge.updates.system.boot_state import BootState, SlotState
from edge.updates.system.confirm import ConfirmTimes, confirm
from edge.updates.system.function import SystemdUnit, failed_functions
from edge.updates.system.record import Function, SystemRecord, read_record, write_record
from tests.support.system_updates import START, Memory, Time, Unit

BEFORE = Function(station=True, broker=True)
TIMES = ConfirmTimes(limit_s=100.0, steady_s=10.0, pause_s=1.0)
ATTEMPTED = BootState(("B", "A"), SlotState(3, True), SlotState(0, False))


def judge(unit: Unit, loader: Memory, folder: Path, slot: str = "B") -> tuple[str, float]:
    time = Time()
    image = SystemImage("arm64", "outfeed-arm64", "uboot", "1.1", "A" if slot == "A" else "B")
    outcome = confirm(image, loader, unit, TIMES, folder=folder, now_s=time.now_s, wait=time.wait)
    return outcome, time.now


def trial(folder: Path, before: Function = BEFORE) -> Memory:
    record = SystemRecord(phase="trial", version="1.1", slot="B", previous="1.0", before=before)
    write_record(record, folder)
    return Memory(ATTEMPTED)


def test_a_system_that_works_is_accepted_after_the_steady_time(tmp_path: Path):
    loader = trial(tmp_path)
    assert judge(Unit(), loader, tmp_path) == ("accepted", 10.0)
    assert loader.read() == ATTEMPTED.confirmed("B")
    assert read_record(tmp_path).phase == "accepted"


@pytest.mark.parametrize(
    ("unit", "reason"),
    [
        (
            Unit(station=SystemdUnit(False, 0, 4, "")),
            "the station is not READY (restarts: 4)",
        ),
        (Unit(fifo=False), "the rejector has no real-time priority"),
        (Unit(journal=[]), "the journal has no event of this start"),
        (
            Unit(
                journal=[
                    {
                        "type": "outfeed.self-test/1",
                        "subject": "part 7",
                        "reproduced": False,
                        "reason": "a known defective part passed",
                    },
                    START,
                ]
            ),
            "the self-test failed, part 7: a known defective part passed",
        ),
        (
            Unit(uplink=SystemdUnit(True, 8, 0, "waits 4 s for b:8883")),
            "the uplink is not connected: waits 4 s for b:8883",
        ),
    ],
)
def test_a_system_in_which_something_fails_is_refused(tmp_path: Path, unit: Unit, reason: str):
    loader = trial(tmp_path)
    assert judge(unit, loader, tmp_path) == ("refused", 100.0)
    assert loader.read().primary() == "A"
    assert not loader.read().of("B").bootable
    assert read_record(tmp_path).reason == reason


def test_a_broker_that_was_away_before_may_be_away(tmp_path: Path):
    loader = trial(tmp_path, replace_broker(BEFORE))
    unit = Unit(uplink=SystemdUnit(True, 8, 0, "waits for the network"))
    assert judge(unit, loader, tmp_path)[0] == "accepted"


def replace_broker(before: Function) -> Function:
    return before.model_copy(update={"broker": False})


def test_a_unit_without_an_identity_needs_no_station(tmp_path: Path):
    loader = trial(tmp_path, Function())
    assert judge(Unit(station=SystemdUnit(False, 0, 0, "")), loader, tmp_path)[0] == "accepted"


def test_a_station_that_restarts_again_and_again_is_not_steady(tmp_path: Path):
    def restart(unit: Unit) -> None:
        restarts = unit.station.restarts + 1
        unit.station = replace(unit.station, restarts=restarts)

    loader = trial(tmp_path)
    assert judge(Unit(each_look=restart), loader, tmp_path)[0] == "refused"
    assert "restarts again and again" in read_record(tmp_path).reason


def test_a_later_self_test_that_reproduced_counts(tmp_path: Path):
    tests = [
        {"type": "outfeed.self-test/1", "reproduced": True},
        {"type": "outfeed.self-test/1", "reproduced": False, "reason": "x"},
        START,
    ]
    assert failed_functions(Unit(journal=list(tests)), BEFORE) == []


def test_a_trial_that_never_reported_is_reverted_by_the_slot_before(tmp_path: Path):
    loader = trial(tmp_path)
    assert judge(Unit(), loader, tmp_path, slot="A") == ("reverted", 0.0)
    assert loader.read() == BootState()
    record = read_record(tmp_path)
    assert (record.phase, record.reason) == (
        "reverted",
        "it did not start, or hung, before it could be judged",
    )


def test_the_reason_of_a_refused_trial_is_kept(tmp_path: Path):
    loader = trial(tmp_path)
    judge(Unit(fifo=False), loader, tmp_path)
    assert judge(Unit(), loader, tmp_path, slot="A")[0] == "reverted"
    assert read_record(tmp_path).reason == "the rejector has no real-time priority"


def test_a_power_cut_after_any_write_leads_to_the_slot_before(tmp_path: Path):
    """Of a refused trial: every state that was on the disk starts A next."""
    loader = trial(tmp_path)
    judge(Unit(fifo=False), loader, tmp_path)
    assert [state.primary() for state in loader.history] == ["A", "A"]


def test_a_confirmed_slot_needs_no_station_to_get_its_attempts_back(tmp_path: Path):
    used = Memory(BootState(("A", "B"), SlotState(1, True), SlotState(0, False)))
    unit = Unit(station=SystemdUnit(False, 0, 9, ""))
    assert judge(unit, used, tmp_path, slot="A") == ("started", 0.0)
    assert used.read() == BootState()


def test_a_trial_without_a_way_back_stays(tmp_path: Path):
    trial(tmp_path)
    loader = Memory(BootState(("B", "A"), SlotState(0, False), SlotState(0, False)))
    assert judge(Unit(fifo=False), loader, tmp_path)[0] == "accepted"
    assert read_record(tmp_path).reason == "the rejector has no real-time priority"


def test_the_record_is_read_by_the_version_before_and_after(tmp_path: Path):
    (tmp_path / "record.json").write_text(
        '{"format": 1, "phase": "trial", "version": "2.0", "slot": "B", "of_the_future": [1]}'
    )
    assert read_record(tmp_path).version == "2.0"
    (tmp_path / "record.json").write_text('{"format"')
    assert read_record(tmp_path) == SystemRecord()


def test_acceptance_and_return_are_events(tmp_path: Path):
    trial(tmp_path / "good")
    judge(Unit(), Memory(ATTEMPTED), tmp_path / "good")
    (note,) = read_record(tmp_path / "good").outbox
    assert (note.state, note.version, note.target_slot) == ("accepted", "1.1", "B")
    trial(tmp_path / "bad")
    judge(Unit(), Memory(BootState()), tmp_path / "bad", slot="A")
    (note,) = read_record(tmp_path / "bad").outbox
    assert (note.state, note.running_slot) == ("reverted", "A")
    assert note.reason == "it did not start, or hung, before it could be judged"


def test_a_power_cut_after_the_confirmation_is_an_acceptance(tmp_path: Path):
    """The boot loader has it, and the record does not."""
    trial(tmp_path)
    loader = Memory(ATTEMPTED.confirmed("B"))
    assert judge(Unit(), loader, tmp_path) == ("started", 0.0)
    record = read_record(tmp_path)
    assert (record.phase, [each.state for each in record.outbox]) == ("accepted", ["accepted"])
