"""Places on the belt: what an edge of a photo-eye means where the belt may stop and back up."""

from edge.devices.encoder import EncoderPosition
from edge.line.odometer import BeltPosition, Odometer, SeenCounts
from edge.line.outcome import Cause, OutputStep
from edge.line.queue import RejectQueue
from edge.line.tracker import BeltTracker, CountRules, EyeRules

TRAVEL = 100


class Line:
    """A tracker whose belt moves one count a microsecond."""

    def __init__(self, *, eye=None, queue=None, begin=0, **rules) -> None:
        given = {"pulse_ns": 5_000, "eject_unknown": True, "confirm": eye is not None}
        self.queue = RejectQueue(by_counts=True, **(given | (queue or {})))
        self.tracker = BeltTracker(self.queue, counts=CountRules(TRAVEL, **rules), eye=eye)
        self.count, self.now_ns, self.part_id = begin, 0, 0
        self.tracker.moved([EncoderPosition(begin, 0)])
        self.outcomes: list[tuple[int, str, str]] = []

    def to(self, count: int) -> OutputStep:
        """Run, or back up, to a count; return the last output step."""
        step = self.due()
        while self.count != count:
            self.count += 1 if count > self.count else -1
            self.now_ns += 1_000
            self.tracker.moved([EncoderPosition(self.count, self.now_ns)])
            step = self.due()
        return step

    def due(self) -> OutputStep:
        step = self.tracker.due(self.now_ns)
        self.outcomes += [(p.part_id, p.action.name, p.cause.name) for p in step.outcomes]
        return step

    def edge(self, eject: bool | None = True) -> int | None:
        """The photo-eye has an edge now."""
        self.part_id += 1
        place = self.tracker.sighted(self.part_id, self.now_ns, self.now_ns, eject)
        self.due()
        return place


def test_a_part_is_due_the_travel_behind_the_count_of_its_edge_and_not_of_its_telling():
    line = Line()
    line.to(10)
    seen_ns = line.now_ns
    line.to(30)  # the station is slow
    assert line.tracker.sighted(1, seen_ns + 999, line.now_ns, True) == 110
    assert line.tracker.counts_left == 80
    line.to(109)
    assert line.outcomes == []
    line.to(110)
    assert line.outcomes == [(1, "EJECTED", "VERDICT")]


def test_an_edge_near_to_a_known_part_or_while_the_belt_backs_up_begins_no_part():
    line = Line(debounce=4)
    line.to(20)
    assert line.edge() == 120
    line.to(23)
    assert line.edge() is None  # a hole in the part
    line.to(24)
    assert line.edge() == 124
    line.to(30)
    line.to(22)
    assert line.edge() is None  # its rear, backwards
    line.to(10)
    line.to(20)
    assert line.edge() is None  # it returns
    line.to(130)
    assert line.outcomes == [
        (2, "NO_PART", "SEEN_AGAIN"),
        (4, "NO_PART", "BACKWARD"),
        (5, "NO_PART", "SEEN_AGAIN"),
        (1, "EJECTED", "VERDICT"),
        (3, "EJECTED", "VERDICT"),
    ]
    assert (line.queue.counters.seen_again, line.queue.counters.backward) == (2, 1)


def test_a_part_put_on_where_the_belt_has_been_before_is_a_new_part():
    line = Line(debounce=4)
    line.to(20)
    line.edge()
    line.to(60)
    line.to(30)
    line.to(40)
    assert line.edge() == 140  # nothing was seen there the first time
    line.to(140)
    assert line.outcomes == [(1, "EJECTED", "VERDICT"), (2, "EJECTED", "VERDICT")]


def test_a_belt_that_trembles_where_it_stands_does_not_back_up():
    line = Line(backlash=3)
    line.to(20)
    line.to(18)
    assert line.edge() == 118
    line.to(17)
    assert line.edge() is None


def test_a_part_that_backs_away_and_returns_is_ejected_when_it_comes_and_never_again():
    line = Line()
    line.to(20)
    line.edge()
    line.to(119)
    line.to(5)
    line.to(119)
    assert line.outcomes == []
    assert line.to(120).active
    line.to(115)
    line.to(130)
    assert line.outcomes == [(1, "EJECTED", "VERDICT")]


def test_lost_edges_make_everything_on_the_belt_unknown_and_nothing_behind_it():
    line = Line(queue={"spacing": 5})
    line.to(20)
    line.edge(False)
    line.to(50)
    line.edge(False)
    line.count = 1_000
    line.tracker.moved([EncoderPosition(1_000, line.now_ns + 1_000, gap=True)])
    assert line.due().active
    assert line.outcomes == [(1, "EJECTED", "POSITION_LOST"), (2, "EJECTED", "POSITION_LOST")]
    line.part_id += 1  # seen before the gap, reported after it
    assert line.tracker.sighted(3, line.now_ns, line.now_ns + 2_000, False) is None
    line.now_ns += 2_000
    line.to(1_010)
    assert line.edge(False) == 1_110
    assert line.to(1_099).active
    line.to(1_109)
    assert not line.to(1_110).active
    assert line.outcomes[2:] == [(3, "EJECTED", "POSITION_LOST"), (4, "PASSED", "VERDICT")]
    assert line.queue.counters.position_losses == 1


def test_edges_of_the_photo_eye_without_a_count_between_them_are_a_dead_encoder():
    line = Line(silent_edges=3)
    line.to(20)
    for _ in range(2):
        line.edge(False)
        line.now_ns += 1_000
    assert not line.due().active
    line.edge(False)
    assert line.due().active
    assert line.outcomes == [
        (2, "NO_PART", "SEEN_AGAIN"),
        (1, "EJECTED", "POSITION_LOST"),
        (3, "EJECTED", "POSITION_LOST"),
    ]
    line.now_ns += 10**12
    assert line.due().active  # as long as no count comes
    line.to(119)
    assert line.due().active
    line.to(126)
    assert not line.due().active


def test_silent_edges_0_never_takes_an_encoder_for_dead():
    line = Line(silent_edges=0)
    line.to(20)
    for _ in range(50):
        line.edge()
    assert line.queue.counters.position_losses == 0


def test_an_encoder_that_fails_leaves_no_part_a_place():
    line = Line()
    line.to(20)
    line.edge(False)
    line.tracker.fail(line.now_ns)
    assert line.edge(False) is None
    assert line.due().active
    assert line.outcomes == [(1, "EJECTED", "POSITION_LOST"), (2, "EJECTED", "POSITION_LOST")]


def test_a_new_process_takes_over_what_is_under_way():
    line = Line(begin=500, eye=EyeRules(30, 5), debounce=4)
    line.tracker.known(1, 450)
    line.tracker.restore(2, 499, line.now_ns, True)  # it passed meanwhile
    line.tracker.restore(3, 520, line.now_ns, True)  # and this one passed the ejector's eye
    line.tracker.restore(4, 560, line.now_ns, True)
    line.tracker.resolve(1, True)
    line.part_id = 4
    line.to(350)
    line.to(352)
    assert line.edge() is None  # the first one is back, and known
    line.to(560)
    assert line.outcomes == [
        (2, "MISSED", "REJECTOR_DOWN"),
        (5, "NO_PART", "SEEN_AGAIN"),
        (3, "EJECTED", "VERDICT"),
        (4, "EJECTED", "ABSENT"),
    ]
    assert line.queue.counters.late == 1


def test_a_part_seen_while_no_process_ran_lies_behind_the_last_one_known():
    line = Line(begin=500)
    line.tracker.restore(1, 540, line.now_ns, False)
    assert line.tracker.sighted(2, -1_000, line.now_ns, False) is None
    levels = {count: line.to(count).active for count in (539, 540, 541, 599, 600)}
    assert levels == {539: False, 540: False, 541: True, 599: True, 600: True}
    line.to(606)
    assert not line.due().active
    assert line.outcomes == [(2, "EJECTED", "POSITION_LOST"), (1, "PASSED", "VERDICT")]


def test_a_part_reported_long_after_it_passed_ejects_no_part():
    line = Line(begin=500)
    line.to(650)
    assert line.tracker.sighted(2, -1_000, line.now_ns, False) is None
    assert not line.due().active
    assert line.outcomes == [(2, "PASSED", "REJECTOR_DOWN")]


def test_the_ejectors_eye_on_a_belt_that_backs_up_sees_each_part_once():
    line = Line(eye=EyeRules(30, 5), debounce=4)
    line.to(20)
    line.edge()
    line.to(92)  # the part slid: it should be here at 90
    line.tracker.arrived(line.now_ns)
    line.to(80)
    line.tracker.arrived(line.now_ns)
    line.to(92)
    line.tracker.arrived(line.now_ns)
    line.to(121)
    assert line.outcomes == []
    line.to(122)
    line.to(130)
    assert line.outcomes == [(1, "EJECTED", "VERDICT")]
    assert (line.queue.counters.backward, line.queue.counters.seen_again) == (1, 1)


def test_a_part_that_passed_the_eye_between_two_steps_was_seen_before_it_was_due():
    line = Line(eye=EyeRules(30, 5))
    line.edge(True)
    positions = [EncoderPosition(count, count * 1_000) for count in range(1, 121)]
    line.tracker.moved(positions, [72_500])
    (outcome,) = line.tracker.due(120_000).outcomes
    assert (outcome.due_ns, outcome.cause) == (102_000, Cause.VERDICT)


def test_by_time_the_ejectors_eye_has_a_debounce_and_excuses_what_came_before_it_looked():
    queue = RejectQueue(pulse_ns=5, eject_unknown=True, confirm=True, eject_absent=False)
    tracker = BeltTracker(queue, eye=EyeRules(100, 10, debounce=20), began_ns=1_000)
    tracker.announce(1, 1_105, True)
    tracker.announce(2, 1_500, True)
    for at_ns in (1_405, 1_410, 1_424):
        tracker.arrived(at_ns)
    assert [p.part_id for p in tracker.due(1_106).outcomes] == [1]
    assert tracker.next_ns() == 1_110  # the end of its pulse
    assert tracker.due(1_504).outcomes == ()
    assert [(p.part_id, p.action.name) for p in tracker.due(1_505).outcomes] == [(2, "EJECTED")]
    assert (queue.counters.seen_again, queue.counters.unannounced) == (2, 0)
    assert tracker.counts_left is None


def test_the_odometer_remembers_where_the_belt_was():
    odometer = Odometer(backlash=2)
    for count, at_ns in ((0, 10), (1, 20), (2, 30), (1, 40), (0, 50), (1, 60)):
        odometer.moved(EncoderPosition(count, at_ns))
    assert odometer.at(9) is None
    positions = [odometer.at(at_ns) for at_ns in (10, 29, 45, 50, 99)]
    assert positions == [
        BeltPosition(0, True, 1),
        BeltPosition(1, True, 2),
        BeltPosition(1, True, 4),  # one count back is no reversal
        BeltPosition(0, False, 5),
        BeltPosition(1, True, 6),
    ]
    assert odometer.reached_ns(2, 20) == 30
    assert odometer.reached_ns(1, 30) == 40
    assert odometer.reached_ns(3, 0) is None
    odometer.moved(EncoderPosition(7, 70, gap=True))
    assert (odometer.at(69), odometer.at(70)) == (None, BeltPosition(7, True, 7))


def test_the_odometer_and_the_seen_counts_are_bounded():
    odometer = Odometer()
    for count in range(20_000):
        odometer.moved(EncoderPosition(count, count))
    assert odometer.at(20_000 - 8_193) is None
    assert odometer.oldest_count == 20_000 - 8_192
    counts = SeenCounts(nearer_than=2, capacity=3)
    for count in (10, 40, 20, 30):
        counts.add(count)
    assert len(counts) == 3
    assert [counts.is_known(count) for count in (10, 18, 19, 21, 22, 41)] == [
        *(False, False, True, True),
        *(False, True),
    ]
