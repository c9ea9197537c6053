"""The station's side of the connection, played by a test, and its journal."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from edge.active_bundle import bundle_file
from edge.bundle import read_bundle
from edge.config.station import StationConfig
from edge.events.update import UpdateEvent, update_event
from edge.inbox import Inbox
from edge.journal.reader import JournalReader
from edge.journal.writer import Journal
from edge.records import Decision
from edge.station.shared_frames import SharedFrames
from edge.trial.process import UpdateProcess
from edge.update_notes import TrialFigures, UpdateNote
from edge.updates.channel import (
    Accept,
    Accepted,
    Channel,
    Free,
    Memory,
    NotSwitched,
    Offered,
    ProbationFigures,
    Revert,
    Reverted,
    Shadow,
    Switch,
    Switched,
    TrialHello,
    socket_pair,
)
from tests.support.bundles import CLEAN, HOLE

OLD = "dark-spots-1.0-0123456789ab"


class FakeStation:
    """Answers as a station does, and offers frames: every third shows a hole.

    complete: the probation has enough parts at once. fault: reason why it does not switch.
    """

    def __init__(self, config: StationConfig) -> None:
        self.config = config
        self.token = "t1"
        self.running, self.probation = OLD, ""
        self.complete = True
        self.fault = ""
        self.got: list[Any] = []
        self.frames: SharedFrames | None = None
        self.offers = False
        self.part = 0
        self.decide = lambda hole: Decision.REJECT if hole else Decision.PASS
        self.channel: Channel | None = None
        self.processes: list[UpdateProcess] = []
        self.journal = Journal.open(
            config.paths.journal,
            station=config.id,
            max_bytes=config.journal.max_bytes,
            cursor_path=config.paths.cursor,
        )
        self.inbox = Inbox(config.paths.inbox)
        self.inbox.make()

    def connect(self) -> Channel:
        """Return the end of a new process, and greet it."""
        own, other = socket_pair()
        if self.channel is not None:
            self.channel.close()
        self.channel = Channel(own)
        self.frames, self.offers = None, False
        hello = TrialHello(token=self.token, running=self.running, probation=self.probation)
        self.channel.send(hello)
        return Channel(other)

    def restart(self, token: str) -> None:
        """Start again, with the accepted bundle."""
        self.token, self.running, self.probation = token, OLD, ""

    def turn(self) -> None:
        """Journal what waits in the inbox, and answer what has arrived."""
        for item in self.inbox.waiting():
            assert isinstance(item, UpdateNote)
            self.journal.append([update_event(self.config.id, item)])
            self.inbox.remove(item)
        assert self.channel is not None
        while (received := self.channel.receive()) is not None:
            self.got.append(received[0])
            self.answer(received[0])
        if self.offers:
            self.offer()
        if self.probation and self.complete:
            self.send_figures(40, is_complete=True)

    def answer(self, message: Any) -> None:
        assert self.channel is not None
        if isinstance(message, Shadow):
            self.offers = message.is_on
            self.frames = None
        elif isinstance(message, Free) and self.frames is not None:
            self.frames.free(message.slot)
        elif isinstance(message, Switch) and not self.probation:
            if self.fault:
                self.channel.send(NotSwitched(sha256=message.sha256, reason=self.fault))
                return
            path = bundle_file(self.config.paths.update_bundles, message.sha256)
            self.running, self.probation = read_bundle(path).id, message.sha256
            self.channel.send(Switched(sha256=message.sha256, running=self.running))
        elif isinstance(message, Revert) and self.probation:
            self.revert(message.reason)
        elif isinstance(message, Accept) and self.probation:
            sha256, self.probation = self.probation, ""
            self.channel.send(Accepted(sha256=sha256, running=self.running))

    def send_figures(self, parts: int, *, is_complete: bool = False) -> None:
        assert self.channel is not None
        figures = TrialFigures(parts=parts)
        message = ProbationFigures(sha256=self.probation, figures=figures, is_complete=is_complete)
        self.channel.send(message)

    def revert(self, reason: str) -> None:
        assert self.channel is not None
        sha256, self.probation, self.running = self.probation, "", OLD
        figures = TrialFigures(parts=7)
        self.channel.send(Reverted(sha256=sha256, running=OLD, reason=reason, figures=figures))

    def offer(self) -> None:
        assert self.channel is not None
        if self.frames is None:
            self.frames = SharedFrames(CLEAN.nbytes)
            memory = Memory(slot_bytes=self.frames.slot_bytes)
            self.channel.send(memory, self.frames.descriptor)
        hole = self.part % 3 == 0
        pixels = np.ascontiguousarray(HOLE if hole else CLEAN)
        slot = self.frames.put(pixels)
        if slot is None:
            return
        self.part += 1
        decision = self.decide(hole)
        defect = "hole" if decision is Decision.REJECT else ""
        offered = Offered(
            slot=slot, part_id=self.part, shape=pixels.shape, decision=decision, defect=defect
        )
        if not self.channel.send(offered):
            self.frames.free(slot)

    def updates(self) -> list[UpdateEvent]:
        with JournalReader(self.config.paths.journal) as reader:
            bodies = [each.body for each in reader.read(None, 10_000)]
        found = [each for each in bodies if "outfeed.update/1" in each]
        return [UpdateEvent.model_validate_json(each) for each in found]

    def states(self) -> list[str]:
        return [each.state for each in self.updates()]

    def close(self) -> None:
        for each in self.processes:
            each.close()
        self.journal.close()
        if self.channel is not None:
            self.channel.close()


def new_process(station: FakeStation, **rest: Any) -> UpdateProcess:
    """A new process, connected to the station."""
    process = UpdateProcess(station.config, station.connect(), **rest)
    station.processes.append(process)
    return process


def download(config: StationConfig, data: bytes, sha256: str) -> None:
    """Put the file where the updater has put it, with its report."""
    from edge.updates.files import Progress, write_progress

    config.paths.updater.mkdir(exist_ok=True)
    bundle_file(config.paths.updater, sha256).write_bytes(data)
    os.sync()
    progress = Progress(sha256=sha256, state="complete", loaded_bytes=len(data))
    write_progress(config.paths.updater_report, progress)
