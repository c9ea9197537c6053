import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.line.outcome import Action, Cause, Counters
from edge.line.tracker import CountRules, EyeRules
from edge.rejector.hardware import SimulatedEncoderSpec, SimulatedEyeSpec
from edge.rejector.messages import (
    MAX_BYTES,
    Actuated,
    Announce,
    Clear,
    Counted,
    Goodbye,
    Hello,
    Known,
    Lose,
    Ping,
    Placed,
    Pong,
    PulseBegan,
    PulseEnded,
    Ready,
    Resolve,
    Restore,
    Sighted,
    decode_order,
    decode_report,
)
from edge.rejector.options import CountTracking, EjectorEye, RejectorOptions, parse_arguments
from edge.sim.driven_belt import BeltPlan
from edge.sim.motion import Drive

DRIVE = Drive(1, 1_000, variation=0.1, stops=0.2, reversals=0.05, seed=3)

u64, i64 = st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1)

orders = st.one_of(
    st.builds(Hello, st.integers(0, 2**16 - 1)),
    st.builds(Announce, u64, i64, st.sampled_from([None, False, True])),
    st.builds(Sighted, u64, i64, st.sampled_from([None, False, True])),
    st.builds(Restore, u64, i64, st.sampled_from([None, False, True])),
    st.builds(Resolve, u64, st.booleans()),
    st.just(Goodbye()),
    st.builds(Known, u64, i64),
    st.just(Lose()),
    st.builds(Clear, i64),
    st.just(Ping()),
)
actuated = st.builds(
    Actuated,
    u64,
    i64,
    i64,
    st.integers(0, 2**32 - 1),
    st.sampled_from(Action),
    st.sampled_from(Cause),
)
reports = st.one_of(
    st.builds(Ready, st.integers(0, 2**16 - 1), st.booleans(), st.booleans(), i64),
    st.builds(Placed, u64, i64),
    actuated,
    st.builds(Counted, st.builds(Counters, *[u64] * 17), u64),
    st.just(Pong()),
    st.builds(PulseBegan, i64, i64, i64),
    st.builds(PulseEnded, i64, i64, i64, i64),
)


@given(orders)
def test_an_order_comes_back_as_it_went(order):
    assert decode_order(order.encode()) == order


@given(reports)
def test_a_report_comes_back_as_it_went(report):
    assert decode_report(report.encode()) == report
    assert len(report.encode()) <= MAX_BYTES


@given(st.binary(max_size=MAX_BYTES), st.sampled_from([decode_order, decode_report]))
def test_anything_else_is_a_value_error_and_never_more(packet, decode):
    try:
        message = decode(packet)
    except ValueError as error:
        line = str(error)
    else:
        line = repr(message)
    assert "\n" not in line


def test_the_bytes_are_the_ones_of_the_decision_record():
    for verdict, byte in ((None, "00"), (False, "01"), (True, "02")):
        packet = Announce(7, 1_000, verdict).encode().hex()
        assert packet == "020700000000000000e803000000000000" + byte
    assert Resolve(7, True).encode().hex() == "03070000000000000001"
    assert Hello(1).encode().hex() == "010100"
    assert Goodbye().encode().hex() == "04"
    assert Sighted(7, 1_000, True).encode().hex() == "060700000000000000e80300000000000002"
    assert Restore(7, -1, False).encode().hex() == "070700000000000000ffffffffffffffff01"
    assert Known(7, 1_000).encode().hex() == "090700000000000000e803000000000000"
    assert Lose().encode().hex() == "08"
    assert Placed(7, 1_000).encode().hex() == "850700000000000000e803000000000000"
    assert Ready(3, True, False, 5).encode().hex() == "81030001000500000000000000"
    assert (Ping().encode().hex(), Pong().encode().hex()) == ("05", "84")
    ejected = Actuated(1, 2, 3, 4, Action.EJECTED, Cause.UNKNOWN).encode().hex()
    assert ejected == "82" + "01" + "00" * 7 + "02" + "00" * 7 + "03" + "00" * 7 + "040000000102"


def test_options_survive_the_command_line(tmp_path):
    options = RejectorOptions(
        pulse_us=7_000,
        on_unknown="pass",
        safe_state="active",
        realtime_priority=0,
        capacity=9,
        record=tmp_path / "a b",
        spacing=40,
        counts=CountTracking(
            CountRules(500, debounce=3, backlash=4, silent_edges=7),
            SimulatedEncoderSpec(DRIVE, "single", False),
            max_counts_per_s=9_000,
            purge_at_start=False,
        ),
        ejector_eye=EjectorEye(
            EyeRules(50, 5, debounce=2),
            SimulatedEyeSpec(BeltPlan(DRIVE, 100, 20, 500, 50, parts=3, taken=0.5, seed=2)),
            on_absent="pass",
        ),
        silence_ms=700,
    )
    assert parse_arguments(options.arguments(5)) == (5, options)
    plain = RejectorOptions(pulse_us=1)
    assert parse_arguments(plain.arguments(3)) == (3, plain)


def test_a_wrong_command_line_ends_with_status_2(capsys):
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["--fd=3"])
    assert caught.value.code == 2
    assert "--pulse-us" in capsys.readouterr().err
