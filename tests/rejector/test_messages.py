import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.line.queue import Action, Cause, Counters
from edge.rejector.messages import (
    MAX_BYTES,
    Actuated,
    Announce,
    Counted,
    Goodbye,
    Hello,
    Ping,
    Pong,
    Ready,
    Resolve,
    decode_order,
    decode_report,
)
from edge.rejector.options import RejectorOptions, parse_arguments

u64, i64 = st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1)

orders = st.one_of(
    st.builds(Hello, st.integers(0, 2**16 - 1)),
    st.builds(Announce, u64, i64, st.sampled_from([None, False, True])),
    st.builds(Resolve, u64, st.booleans()),
    st.just(Goodbye()),
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
    st.builds(Ready, st.integers(0, 2**16 - 1), st.booleans(), st.booleans()),
    actuated,
    st.builds(Counted, st.builds(Counters, *[u64] * 10), u64),
    st.just(Pong()),
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
    assert (Ping().encode().hex(), Pong().encode().hex()) == ("05", "84")
    kicked = Actuated(1, 2, 3, 4, Action.KICKED, Cause.UNKNOWN).encode().hex()
    assert kicked == "82" + "01" + "00" * 7 + "02" + "00" * 7 + "03" + "00" * 7 + "040000000102"


def test_options_survive_the_command_line(tmp_path):
    options = RejectorOptions(
        pulse_us=7_000,
        on_unknown="pass",
        safe_state="active",
        realtime_priority=0,
        capacity=9,
        record=tmp_path / "a b",
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
