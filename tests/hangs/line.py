"""A line for tests that kill and stop: its station.toml, and the rules its history must obey."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2

from edge.clock import MonotonicClock
from edge.devices.output_simulated import read_record
from edge.events.condition import SelfTestEvent
from edge.events.event import ActuationAction, ActuationEvent, PartEvent
from edge.events.identity import parse_payload
from edge.events.start import StartEvent
from edge.journal.reader import JournalReader
from tests.support.bundles import CLEAN, HOLE
from tests.support.keys import TRUST

MS = 1_000_000
TRAVEL_MS, PULSE_MS, SILENCE_MS, STAGE_S = 400, 20, 500, 1.5
# The machine is shared: a pulse may begin so late. bench/ measures how punctual it is.
SLACK_NS = 75 * MS

_TOML = """\
id = "press-3"
bundle = "small.outfeed"
state_dir = "{state}"
[trust]
keys = ["{trust}"]
[camera]
kind = "files"
path = "frames"
loop = true
[trigger]
rate_hz = 8.0
[line]
travel_ms = {travel_ms}
purge_at_start = false
budget_ms = 300
pulse_ms = {pulse_ms}
[output]
safe_state = "active"
silence_ms = {silence_ms}
record = "{state}/edges"
[watchdog]
stage_s = {stage_s}
journal_s = 2.0
[uplink]
start = false
retry_max_s = 0.2
{uplink}
"""


def write_line(folder: Path, bundle: bytes, *, state: str = "state", uplink: str = "") -> Path:
    """station.toml, the bundle and twelve pictures, of which every third shows a hole. uplink:
    more keys of its section."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "small.outfeed").write_bytes(bundle)
    (folder / "frames").mkdir()
    if not Path(state).is_absolute():
        (folder / state).mkdir()
    for number in range(12):
        cv2.imwrite(str(folder / f"frames/{number:02d}.png"), CLEAN if number % 3 else HOLE)
    text = _TOML.format(
        trust=TRUST,
        travel_ms=TRAVEL_MS,
        pulse_ms=PULSE_MS,
        silence_ms=SILENCE_MS,
        stage_s=STAGE_S,
        state=state,
        uplink=uplink,
    )
    path = folder / "station.toml"
    path.write_text(text)
    return path


@dataclass(frozen=True)
class Span:
    """The output was active from the one to the other, CLOCK_MONOTONIC."""

    from_ns: int
    to_ns: int


def pulse_is_over(state: Path) -> bool:
    """The output has just gone back, and the next pulse is more than 200 ms away: the moment to end
    a rejector. A record ends no pulse where the kernel would, so one cut off seems to last."""
    last = read_record(state / "edges")[-1]
    return not last.active and MonotonicClock().now_ns() - last.at_ns < 150 * MS


@dataclass(frozen=True)
class Dead:
    """The time from a station's hang or exit to the first part of the next one.

    The line is then in its safe state. After a kill, announced parts have no journalled verdict.
    """

    from_ns: int
    to_ns: int

    def has(self, at_ns: int) -> bool:
        return self.from_ns <= at_ns <= self.to_ns


@dataclass(frozen=True)
class History:
    """The journal and the output of a line, from the first run to the last."""

    parts: list[PartEvent]
    actuations: list[ActuationEvent]
    spans: list[Span]
    events: int  # all that the journal holds

    @classmethod
    def read(cls, state: Path) -> History:
        """Read the journal. Fail if it has a gap or an event twice."""
        with JournalReader(state / "journal.sqlite") as reader:
            rows = reader.read(None, 1 << 30)
        assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
        events = [parse_payload(row.payload)[1] for row in rows]
        self_tests = [event for event in events if isinstance(event, SelfTestEvent)]
        assert all(event.reproduced for event in self_tests)  # at each start
        told = {event.type for event in events} - {event.type for event in self_tests}
        assert told <= {"outfeed.start/1", "outfeed.part/1", "outfeed.actuation/1"}
        assert not any(event.unaccounted for event in events if isinstance(event, StartEvent))
        parts = [event for event in events if isinstance(event, PartEvent)]
        numbers = [part.part_id for part in parts]
        assert len(set(numbers)) == len(numbers), "a part has two verdicts"
        spans: list[Span] = []
        began: int | None = None
        for edge in read_record(state / "edges") if (state / "edges").exists() else []:
            if began is not None:
                spans.append(Span(began, edge.at_ns))
            began = edge.at_ns if edge.active else None
        if began is not None:
            spans.append(Span(began, 1 << 62))
        actuations = [event for event in events if isinstance(event, ActuationEvent)]
        return cls(parts, actuations, spans, len(events))

    def obeys(self, *dead: Dead) -> None:
        """Outside of ``dead``: every part that is not PASS is ejected in its window, or journalled
        as missed; no PASS is; and the output is active for no other reason."""
        missed = {
            event.part_id for event in self.actuations if event.action is ActuationAction.MISSED
        }
        wanted: list[int] = []
        for part in self.parts:
            due_ns = part.triggered_ns + TRAVEL_MS * MS
            hit = any(
                span.from_ns < due_ns + PULSE_MS * MS and span.to_ns > due_ns for span in self.spans
            )
            if part.decision != "PASS":
                wanted.append(due_ns)
            if any(each.has(due_ns) for each in dead):
                continue
            if part.decision == "PASS":
                assert not hit, f"a good part was ejected: {part}"
            else:
                assert hit or part.part_id in missed, f"a bad part went by unseen: {part}"
        for span in self.spans:
            explained = any(0 <= span.from_ns - due_ns < SLACK_NS for due_ns in wanted)
            explained = explained or any(each.has(span.from_ns) for each in dead)
            assert explained, f"a pulse for nobody: {span}"

    def safe_within(self, limit_ns: int, dead: Dead) -> int:
        """The output took its safe state, active, at most limit_ns after ``dead`` began and kept it
        to the end: how long it took, nanoseconds."""
        last = [span for span in self.spans if dead.has(span.from_ns)][-1]
        assert last.to_ns >= dead.to_ns, "it did not stay in its safe state"
        took_ns = last.from_ns - dead.from_ns
        print(f"safe after {took_ns / 1e6:.0f} ms")
        assert took_ns <= limit_ns, f"safe after {took_ns / 1e6:.0f} ms"
        return took_ns
