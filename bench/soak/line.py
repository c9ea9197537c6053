"""A simulated line with faults: station, rejector and belt, step by step.

The belt, the devices and the socket of the rejector's loop are simulated. The code for positions,
times, the queue and the station's memory is that of a real line.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from heapq import heappop, heappush
from math import ceil

from bench.soak.plan import MS, SoakPlan
from bench.soak.referee import NumberedPart, Referee
from bench.soak.wire import BOUND_NS, OutputLine
from bench.soak.world import SoakBelt, SoakPart
from edge.devices.encoder import EncoderPosition
from edge.line.outcome import Counters
from edge.line.queue import RejectQueue
from edge.line.tracker import BeltTracker, CountRules, EyeRules
from edge.rejector.announced import AnnouncedParts
from edge.rejector.messages import Actuated, Known, Lose, Order, Placed, Resolve, Restore, Sighted
from edge.sim.motion import Drive, DrivenMotion

_POLL_NS, _NEAR_POLL_NS = 4 * MS, 300_000
_STANDING_NS = 1_000 * MS


class SoakedLine:
    """A line that ``run`` moves forward. ``referee`` has the results."""

    def __init__(self, plan: SoakPlan, seed: int) -> None:
        self.plan = plan
        self.counters: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._motion = DrivenMotion(
            Drive(0, plan.counts_per_s, plan.variation, plan.stops, plan.reversals, seed)
        )
        self.belt = SoakBelt(plan, self._chance)
        self.referee = Referee(plan, self.belt)
        self.now_ns = 0
        self._part_id = 0
        # Future actions of the station: time, number, and a sighting or a verdict.
        self._deeds: list[tuple[int, int, Sighted | Resolve]] = []
        self._orders: deque[Order] = deque()  # to a new process
        self._number = 0
        self._tracker: BeltTracker | None = None
        self._opened = 0  # the encoder's zero
        self._origin = 0
        self._lost = 0  # edges of the encoder still to lose
        self._gap = False
        self._first = False
        self._wire = OutputLine(plan.pulse_ns)
        self._all_stopped = False  # the stall also stops the guard
        self._deaf = False
        self._back_ns = 0  # time at which the rejector, or both processes, run again
        self._station_down = False
        self._moved_ns = 0
        self._second_ns = 0
        self._underway = self._new_underway()
        self._arrivals: list[int] = []
        self._stalled_ns = 0
        fastest = plan.counts_per_s * (1 + plan.variation)
        self._near_counts = 1 + ceil(fastest * _POLL_NS / 1e9)  # as the rejector's loop does
        self._epoch = 0  # number of times that positions were lost

    def run(self, parts: int) -> None:
        """Move the line until so many parts have arrived at the photo-eye."""
        while self.belt.born < parts:
            self._look()

    def _new_underway(self) -> AnnouncedParts:
        plan = self.plan
        return AnnouncedParts(
            pulse_us=plan.pulse_ns // 1000,
            eject_unknown=plan.eject_unknown,
            capacity=4096,
            reach=ceil(plan.counts_per_s * (1 + plan.variation) * plan.pulse_ns / 1e9),
        )

    def _look(self) -> None:
        """Do one turn of the rejector's loop, or one step without a rejector."""
        tracker, belt, before_ns = self._tracker, self.belt, self.now_ns
        self.now_ns = now_ns = self._next_look()
        positions: list[EncoderPosition] = []
        changes = list(self._motion.changes(before_ns, now_ns))
        wire = self._wire
        guarded = not self._all_stopped
        self._all_stopped = False
        ends_ns = wire.ends_ns(now_ns, guarded=guarded)
        late_ns = None if wire.until_ns is None else wire.until_ns + BOUND_NS
        in_time, held = [belt.count], []  # counts at which the output was active
        for count, at_ns in changes if wire.active else ():
            if late_ns is not None and at_ns > late_ns:
                held.append(count)
            elif at_ns <= ends_ns:
                in_time.append(count)
        if ends_ns < now_ns:
            held.clear()
        if changes:
            self._moved_ns = now_ns
        for count, at_ns in changes:
            eye, ejector_eye = belt.step(count)
            if eye is not None:
                self._seen(eye, at_ns)
            if ejector_eye is not None and tracker is not None:
                self._arrivals.append(at_ns)
            if self._lost:
                self._lost -= 1
                self._gap = True
            else:
                positions.append(EncoderPosition(count - self._opened, at_ns, self._gap))
                self._gap = False
        if wire.active:
            if wire.until_ns is None:
                self.referee.suspend_checks(now_ns)
            self.referee.struck(belt.strike(min(in_time), max(in_time)), now_ns)
            if held:
                self.referee.struck(belt.strike(min(held), max(held)), now_ns, held=True)
        dead = tracker is None and wire.until_ns is not None and now_ns >= wire.until_ns
        if wire.active and (ends_ns < now_ns or dead):
            self._settled(wire.end(ends_ns))
        if tracker is not None:
            self._turn(tracker, positions)
        else:
            self._act(None)
            if now_ns >= self._back_ns:
                self._start()
        if now_ns >= self._second_ns:
            self._second_ns += 1_000 * MS
            if self._tracker is not None and not self._deaf and not self._first:
                self.referee.close()
            self._happen()

    def _next_look(self) -> int:
        tracker = self._tracker
        if self._stalled_ns:
            length_ns, self._stalled_ns = self._stalled_ns, 0
            return self.now_ns + length_ns
        if tracker is None:
            return max(self.now_ns + 1, min(self._back_ns, self.now_ns + _POLL_NS))
        left = tracker.counts_left
        near = left is not None and left <= self._near_counts
        next_ns = self.now_ns + (_NEAR_POLL_NS if near else _POLL_NS)
        moment_ns = tracker.next_ns()
        if moment_ns is not None:
            next_ns = min(next_ns, max(moment_ns, self.now_ns + 1_000))
        if self._deeds:
            next_ns = min(next_ns, max(self._deeds[0][0], self.now_ns + 1_000))
        return next_ns

    def _turn(self, tracker: BeltTracker, positions: list[EncoderPosition]) -> None:
        if self._first:
            self._first = False
            count = self.belt.count if self.plan.survives else 0
            positions.insert(0, EncoderPosition(count, self.now_ns))
            positions[1:] = []
        tracker.moved(positions, self._arrivals)
        self._arrivals.clear()
        while self._orders:
            self._obey(tracker, self._orders.popleft())
        self._act(tracker)
        step = tracker.due(self.now_ns)
        began = step.active and not self._wire.active
        self._settled(self._wire.drive(step.active, step.until_ns, self.now_ns))
        if tracker.queue.is_position_lost:
            self.referee.suspend_checks(self.now_ns)
        for outcome in step.outcomes:
            if outcome.part_id == 0:
                self.referee.unannounced(self.now_ns)
            self._report(
                Actuated(
                    outcome.part_id,
                    outcome.due_ns,
                    self.now_ns,
                    outcome.width_ns // 1000,
                    outcome.action,
                    outcome.cause,
                )
            )
        if began:
            count = self.belt.count
            self.referee.struck(self.belt.strike(count, count), self.now_ns)
            self._happen_in_pulse(tracker)
        if self._deaf and self._tracker is not None:
            self._drain(tracker)

    def _act(self, tracker: BeltTracker | None) -> None:
        """Do the station's actions up to now. Without a rejector they are only stored."""
        deeds, underway = self._deeds, self._underway
        while deeds and deeds[0][0] <= self.now_ns:
            deed = heappop(deeds)[2]
            if isinstance(deed, Sighted):
                underway.sighted(deed.part_id, deed.seen_ns, self.now_ns)
            else:
                underway.resolve(deed.part_id, deed.eject)
                self.referee.resolved(deed.part_id, deed.eject)
            if tracker is not None:
                self._obey(tracker, deed)

    def _obey(self, tracker: BeltTracker, order: Order) -> None:
        if isinstance(order, Sighted):
            place = tracker.sighted(order.part_id, order.seen_ns, self.now_ns, order.eject)
            if place is not None:
                self._underway.placed(Placed(order.part_id, place))
        elif isinstance(order, Restore):
            tracker.restore(order.part_id, order.place, self.now_ns, order.eject)
        elif isinstance(order, Resolve):
            tracker.resolve(order.part_id, order.eject)
        elif isinstance(order, Known):
            tracker.known(order.part_id, order.place)
        elif isinstance(order, Lose):
            tracker.lose(self.now_ns)

    def _report(self, report: Actuated) -> None:
        self.referee.passed(report.part_id)
        if not self._station_down:
            report = self._underway.reported(report)
        self._settled(self._wire.passed(report, self.now_ns))

    def _settled(self, reports: list[Actuated]) -> None:
        for report in reports:
            self.referee.reported(report)

    def _seen(self, thing: SoakPart, at_ns: int) -> None:
        """Handle an edge of the photo-eye. Without a station it is only counted."""
        if not thing.met:
            thing.met = True
            self.referee.laid(thing)
        if self._station_down:
            self.counters["unheard"] += 1
            thing.unheard = True
            return
        plan, chance = self.plan, self._chance
        # While lost edges are not yet detected, two parts can have one count.
        thing.unheard = thing.unheard or self._lost > 0
        self._part_id += 1
        thing.ids.append(self._part_id)
        self.referee.number(NumberedPart(self._part_id, thing, thing.x, self._epoch))
        self._later(Sighted(self._part_id, at_ns), at_ns + chance.randint(100_000, 8 * MS))
        fate = chance.random()
        if fate < plan.lost_verdicts:
            return
        late = fate < plan.lost_verdicts + plan.late_verdicts
        delay_ns = chance.randint(300, 1_500) * MS if late else chance.randint(9, 90) * MS
        self._later(Resolve(self._part_id, chance.random() < plan.defective), at_ns + delay_ns)

    def _later(self, deed: Sighted | Resolve, at_ns: int) -> None:
        self._number += 1
        heappush(self._deeds, (at_ns, self._number, deed))

    def _start(self) -> None:
        """Start a rejector, and a station where that had crashed too."""
        plan = self.plan
        if self._station_down:
            self._station_down = self._deaf = False
            self._settled(self._wire.new_station(self.now_ns))
            self._underway = self._new_underway()
        queue = RejectQueue(
            pulse_ns=plan.pulse_ns,
            eject_unknown=plan.eject_unknown,
            spacing=plan.spacing,
            by_counts=True,
            confirm=plan.eye,
            eject_absent=plan.eject_absent,
        )
        eye = EyeRules(plan.to_ejector, plan.tolerance) if plan.eye else None
        self._tracker = BeltTracker(
            queue, counts=CountRules(plan.travel, debounce=plan.debounce), eye=eye
        )
        self._opened = 0 if plan.survives else self.belt.count
        self._origin = 0 if plan.survives else self._origin + 1
        self._epoch += not plan.survives
        self._first, self._gap, self._lost = True, False, 0
        self._arrivals.clear()
        for report in self._underway.remove_lost(self._origin, self.now_ns):
            self.referee.reported(report)
        self._orders.extend(self._underway.orders(self._origin, purge_at_start=True))
        self._second_ns = max(self._second_ns, self.now_ns)

    def _end(self, tracker: BeltTracker, back_ns: int) -> None:
        """End the rejector. Its guard ends the pulse on time, and a pulse without an end at once.

        Then the kernel releases the line.
        """
        self._add(tracker.queue.counters)
        self._tracker = None
        if self._wire.until_ns is None:
            self._settled(self._wire.end(self.now_ns))
        self._back_ns = self.now_ns + back_ns

    def _drain(self, tracker: BeltTracker) -> None:
        """Continue after a crash of the station, until no part waits or the belt stands still."""
        if len(tracker) and self.now_ns - self._moved_ns >= _STANDING_NS:
            tracker.queue.abandon(self.now_ns)
            for outcome in tracker.due(self.now_ns).outcomes:
                self.referee.reported(
                    Actuated(outcome.part_id, 0, 0, 0, outcome.action, outcome.cause)
                )
        if not len(tracker) and tracker.next_ns() is None:
            self._end(tracker, self._chance.randint(500, 3_000) * MS)

    def _add(self, counters: Counters) -> None:
        for name in Counters.__slots__:
            self.counters[name] += getattr(counters, name)

    def _happen(self) -> None:
        """Cause the faults of one second of the belt."""
        plan, chance, tracker = self.plan, self._chance, self._tracker
        rate = plan.counts_per_s * 2 / (plan.gap_low + plan.gap_high)
        if chance.random() < plan.taken * rate:
            self._take_off()
        if chance.random() < plan.added * rate:
            self._put_on()
        if plan.slipped and chance.random() < plan.slipped * rate:
            self._slip()
        if tracker is None or self._deaf:
            return
        if chance.random() < plan.rejector_crashes:
            self.counters["rejector crashes"] += 1
            self._end(tracker, chance.randint(100, 500) * MS)
        elif chance.random() < plan.station_crashes:
            self.counters["station crashes"] += 1
            self._station_down = self._deaf = True
            self._epoch += 1
            self.referee.orphan()
            self._deeds.clear()
            self._orders.clear()
            self._moved_ns = self.now_ns
        elif chance.random() < plan.gaps:
            self.counters["gaps"] += 1
            self._lost = chance.randint(1, 30)
            self._epoch += 1
        if chance.random() < plan.stalls:
            self._stall("stalls")

    def _happen_in_pulse(self, tracker: BeltTracker) -> None:
        """Cause the faults of one pulse that has just begun."""
        plan, chance = self.plan, self._chance
        if chance.random() < plan.pulse_stalls:
            self._stall("stalls in a pulse")
        elif not self._deaf and chance.random() < plan.pulse_crashes:
            self.counters["rejector crashes in a pulse"] += 1
            self._end(tracker, chance.randint(100, 500) * MS)

    def _stall(self, name: str) -> None:
        self._stalled_ns = self._chance.randint(1, 30) * MS
        self._all_stopped = self._chance.random() < self.plan.core_stops
        self.counters[f"{name}, all stopped" if self._all_stopped else name] += 1

    def _take_off(self) -> None:
        plan = self.plan
        there = self.belt.between(5, plan.travel - plan.to_ejector - 5)
        if there:
            thing = self._chance.choice(there)
            thing.taken = True
            self.belt.remove(thing)
            self.counters["taken"] += 1

    def _put_on(self) -> None:
        plan = self.plan
        apart = plan.spacing + plan.part + (2 * plan.tolerance if plan.eye else 0)
        for _ in range(8):
            x = self.belt.count - self._chance.randint(15, plan.travel - plan.to_ejector - 15)
            if self.referee.is_free(x, apart):
                thing = SoakPart(x, x, met=True)
                self.belt.put(thing)
                self.referee.laid(thing)
                self.counters["added"] += 1
                return

    def _slip(self) -> None:
        plan = self.plan
        there = self.belt.between(15, plan.travel - plan.to_ejector - 15)
        if there:
            thing = self._chance.choice(there)
            by = self._chance.randint(-plan.tolerance, plan.tolerance) + thing.announced_x - thing.x
            if self.belt.count - thing.x - by > plan.part:
                self.belt.slip(thing, by)
                self.counters["slipped"] += 1
