"""The motion of a simulated belt is one function of time, however it is asked."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from edge.sim.motion import Drive, DrivenMotion

MS = 1_000_000
drives = st.builds(
    Drive,
    began_ns=st.integers(0, 10**12),
    counts_per_s=st.integers(1, 3_000),
    variation=st.floats(0, 0.9),
    stops=st.floats(0, 0.3),
    reversals=st.floats(0, 0.3),
    seed=st.integers(0, 1_000),
)


@given(drives, st.lists(st.integers(1, 700 * MS), min_size=1, max_size=8))
def test_changes_in_pieces_are_the_changes_of_the_whole_and_agree_with_the_count(drive, steps):
    motion, at_ns, pieces = DrivenMotion(drive), drive.began_ns, []
    for step_ns in steps:
        pieces += motion.changes(at_ns, at_ns + step_ns)
        at_ns += step_ns
        assert (pieces[-1][0] if pieces else 0) == motion.count_at(at_ns)
    assert pieces == list(DrivenMotion(drive).changes(drive.began_ns, at_ns))
    far = DrivenMotion(drive)
    far.count_at(at_ns + 10_000 * MS)  # what was is the same when more is known
    assert pieces == list(far.changes(drive.began_ns, at_ns))
    before = 0
    for count, change_ns in pieces:
        assert abs(count - before) == 1
        assert motion.count_at(change_ns) == count
        assert motion.count_at(change_ns - 1) == before
        before = count


@given(drives, st.integers(1, 500))
def test_the_first_moment_of_a_count_is_the_first(drive, count):
    motion, until_ns = DrivenMotion(drive), drive.began_ns + 3_000 * MS
    found = motion.first_at(count, drive.began_ns, until_ns)
    changes = motion.changes(drive.began_ns, until_ns)
    assert found == next((at_ns for seen, at_ns in changes if seen >= count), None)


def test_it_stands_before_it_begins_and_stops_and_reverses_on_command():
    motion = DrivenMotion(Drive(1_000, 1_000, stops=0.2, reversals=0.2, seed=3))
    assert motion.count_at(0) == motion.count_at(1_000) == 0
    counts = [motion.count_at(1_000 + n * 50 * MS) for n in range(2_000)]
    steps = [after - before for before, after in itertools.pairwise(counts)]
    assert min(steps) == -15
    assert max(steps) == 50
    assert 0.1 < steps.count(0) / len(steps) < 0.3
