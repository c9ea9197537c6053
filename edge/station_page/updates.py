"""The updates of bundle and system, as the page shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import OutfeedError
from edge.files import read_regular_file
from edge.station_page.html import moment, words
from edge.update_notes import UpdateNote
from edge.updates.state import TrialState, read_state
from edge.updates.system.boot_loader import SystemImage, read_image
from edge.updates.system.boot_state import BootStateError
from edge.updates.system.record import FOLDER, SystemRecord, read_record, record_path

_BAD = ("refused", "reverted")
_MAX_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class UpdatesCondition:
    """The updates of a unit. trial, last: of the bundle. image, record: of the system.

    fault: the reason why the state of bundles cannot be read. None: there is none.
    """

    trial: TrialState | None = None
    last: UpdateNote | None = None
    image: SystemImage | None = None
    record: SystemRecord | None = None
    fault: str = ""


NO_UPDATES = UpdatesCondition()


@dataclass(slots=True)
class UpdatesReader:
    """Reads the files of updates, each again when it changes. For one thread at a time.

    bundles: updates.json of the station. root: the system. systems: the folder of its record.
    """

    bundles: Path
    root: Path = Path("/")
    systems: Path = FOLDER
    _read: dict[Path, bytes] = field(default_factory=dict)
    _condition: UpdatesCondition | None = None

    def read(self) -> UpdatesCondition:
        """Return the updates. A file that cannot be read counts as missing. Blocks for the disk."""
        paths = (self.bundles, record_path(self.systems))
        found = {path: content for path in paths if (content := _content(path)) is not None}
        if self._condition is None or found != self._read:
            self._condition, self._read = self._parse(found), found
        return self._condition

    def _parse(self, found: dict[Path, bytes]) -> UpdatesCondition:
        trial = last = None
        fault = ""
        if self.bundles in found:
            try:
                state = read_state(self.bundles)
                trial, last = state.trial, state.last
            except OutfeedError as error:
                fault = str(error)
        try:
            image = read_image(self.root)
        except BootStateError:
            image = None
        record = read_record(self.systems) if record_path(self.systems) in found else None
        return UpdatesCondition(trial, last, image, record, fault)


def updates_block(updates: UpdatesCondition, now_s: float) -> str:
    """Return the part of the page about updates; empty where there were none."""
    lines = [*_bundle_lines(updates, now_s), *_system_lines(updates)]
    if not lines:
        return ""
    return f'<h2>Updates</h2><ul class="updates">{"".join(lines)}</ul>'


def _bundle_lines(updates: UpdatesCondition, now_s: float) -> list[str]:
    if updates.fault:
        return [_line("bad", f"Bundle: {words(updates.fault)}")]
    lines = []
    trial, last = updates.trial, updates.last
    if trial is not None and trial.body.bundle is not None:
        name = f"{trial.body.bundle.name} {trial.body.bundle.version}"
        lines.append(_line("open", f"Bundle {words(name)}: {trial.phase}"))
    if last is not None:
        name = f"{last.name} {last.version}".strip()
        reason = f": {words(last.reason)}" if last.reason else ""
        text = f"Last change of a bundle: {words(name)} {last.state}{reason}"
        tone = "bad" if last.state in _BAD else ""
        lines.append(_line(tone, f"{text} ({moment(last.utc, now_s)})"))
    return lines


def _system_lines(updates: UpdatesCondition) -> list[str]:
    lines = []
    image, record = updates.image, updates.record
    if image is not None:
        lines.append(_line("", f"System {words(image.version)}, started from slot {image.slot}"))
    if record is not None and record.phase != "none":
        reason = f": {words(record.reason)}" if record.reason else ""
        text = f"Update of the system to {words(record.version)} in slot {record.slot or '–'}"
        tone = "bad" if record.phase in _BAD else "open" if record.phase != "accepted" else ""
        lines.append(_line(tone, f"{text}: {record.phase}{reason}"))
    return lines


def _line(tone: str, text: str) -> str:
    return f'<li class="{tone}">{text}</li>'


def _content(path: Path) -> bytes | None:
    try:
        return read_regular_file(path, _MAX_BYTES)
    except OSError:
        return None
