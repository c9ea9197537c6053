"""The state of bundles from the network, from the files of a station."""

from __future__ import annotations

from pydantic import BaseModel

from edge.active_bundle import ActiveBundle, read_active
from edge.clock import utc_now
from edge.config.station import StationConfig
from edge.errors import OutfeedError, UsageError
from edge.files import write_durably
from edge.update_notes import TrialFigures, UpdateNote
from edge.updates.files import Progress, read_progress
from edge.updates.state import TrialState, read_state


class BundleStatus(BaseModel):
    """The bundles of a station, as far as they came over the network.

    accepted: None: the station loads the bundle of station.toml. last: the last change of state.
    """

    revision: int
    accepted: ActiveBundle | None
    trial: TrialState | None
    download: Progress | None
    last: UpdateNote | None


def read_status(config: StationConfig) -> BundleStatus:
    """Return the status from the files. Raises OutfeedError for a damaged one."""
    state = read_state(config.paths.updates)
    trial = state.trial
    download = None
    if trial is not None and trial.phase == "downloading" and trial.body.bundle is not None:
        download = read_progress(config.paths.updater_report)
        if download is not None and download.sha256 != trial.body.bundle.sha256:
            download = None
    return BundleStatus(
        revision=state.revision,
        accepted=read_active(config.paths.active_bundle),
        trial=trial,
        download=download,
        last=state.last,
    )


def status_lines(status: BundleStatus) -> list[str]:
    """Return the status as lines for a person."""
    accepted = "the bundle of station.toml"
    if status.accepted is not None:
        accepted = f"{status.accepted.bundle}, from the network"
    lines = [f"accepted: {accepted}"]
    trial = status.trial
    if trial is None or trial.body.bundle is None:
        lines.append("on trial: none")
    else:
        bundle = trial.body.bundle
        lines.append(f"on trial: {bundle.name} {bundle.version}, step {trial.phase}")
        if status.download is not None:
            text = f"download: {status.download.loaded_bytes} of {bundle.size_bytes} bytes"
            lines.append(f"{text} {status.download.text}".rstrip())
        lines += _figures("shadow", trial.figures) + _figures("probation", trial.probation)
    last = status.last
    if last is not None:
        name = f"{last.name} {last.version}".strip() or "no bundle"
        reason = f": {last.reason}" if last.reason else ""
        lines.append(f"last change: {last.utc} {name} {last.state}{reason}")
    return lines


def ask_to_revert(config: StationConfig) -> str:
    """Ask the station to go back, and return a line for the person.

    Raises UsageError without updates.server, and OutfeedError where there is nothing to revert.
    """
    if config.updates.server is None:
        raise UsageError("updates.server is missing in station.toml: no bundle came by the network")
    status = read_status(config)
    trial, accepted = status.trial, status.accepted
    if trial is None and (accepted is None or not accepted.previous):
        raise OutfeedError("there is no bundle from the network to revert")
    path = config.paths.revert
    try:
        write_durably(path, f'{{"utc": "{utc_now()}"}}\n')
    except OSError as error:
        raise OutfeedError(f"{path}: cannot be written: {error.strerror}") from error
    if trial is not None and trial.body.bundle is not None:
        return f"asked the station to end the trial of {trial.body.bundle.name}"
    return "asked the station to go back to the former bundle"


def _figures(name: str, figures: TrialFigures) -> list[str]:
    if not figures.parts:
        return []
    text = f"{name}: {figures.parts} parts, {figures.bundle_rejects} rejected by it"
    if name == "shadow":
        text += (
            f", {figures.rejects} by the running bundle, {figures.new_rejects} only by it, "
            f"{figures.lost_rejects} only by the running one"
        )
    if figures.p999_ms is not None:
        text += f", p99.9 {figures.p999_ms:.3g} ms"
    return [text]
