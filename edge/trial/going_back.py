"""The way back from an accepted bundle to the one before, on the word of a person."""

from __future__ import annotations

import logging

from edge.active_bundle import ActiveBundle, bundle_file, read_active, write_active
from edge.bundle import read_bundle
from edge.config.station import StationConfig
from edge.errors import OutfeedError
from edge.trial.link import StationLink
from edge.update_notes import TrialFigures
from edge.update_notes import UpdateState as NoteState
from edge.updates.channel import Accept, NotSwitched, Switch
from edge.updates.desired import ProbationLimits
from edge.updates.state import TrialState, UpdateState

_log = logging.getLogger(__name__)

_REASON = "a person at the station went back (outfeed bundle revert)"


def begin_return(config: StationConfig, state: UpdateState, now_s: float) -> UpdateState:
    """Return the state in which the station goes back; unchanged where there is no former bundle.

    Raises OutfeedError.
    """
    active = read_active(config.paths.active_bundle)
    if active is None or state.latest_body is None or not active.previous:
        _log.warning("revert_refused reason=there is no former bundle to go back to")
        return state
    trial = TrialState(
        desired_id=state.latest, body=state.latest_body, phase="returning", began_s=now_s
    )
    return state.with_trial(trial)


class GoingBack:
    """Lets the station use the bundle before the accepted one. It has been accepted before, so it
    has no trial. For one thread."""

    def __init__(self, config: StationConfig, link: StationLink) -> None:
        self._config = config
        self._link = link
        self._asked = ""

    def forget(self) -> None:
        """Begin anew with the next call of ``turn``."""
        self._asked = ""

    def turn(self) -> tuple[NoteState, str] | None:
        """Do the next step. Return the end of it and its reason; None: it is not done yet.

        Raises OutfeedError.
        """
        link, active = self._link, read_active(self._config.paths.active_bundle)
        if active is None:
            return "reverted", _REASON
        while (report := link.next_report()) is not None:
            if isinstance(report, NotSwitched):
                return "refused", f"cannot go back: {report.reason}"
        if link.hello is None:
            return None
        former = self._former(active)
        if link.probation == active.previous:
            link.send(Accept(sha256=active.previous))
            return None
        if link.running != former.bundle:
            if not link.probation and self._asked != link.hello.token:
                switch = Switch(
                    sha256=active.previous,
                    allow_downgrade=True,
                    limits=ProbationLimits(),
                    shadow=TrialFigures(),
                    figures=TrialFigures(),
                )
                if link.send(switch):
                    self._asked = link.hello.token
            return None
        path = self._config.paths.active_bundle
        try:
            write_active(path, former)
        except OSError as error:
            raise OutfeedError(f"{path}: cannot be written: {error.strerror}") from error
        return "reverted", _REASON

    def _former(self, active: ActiveBundle) -> ActiveBundle:
        """Return the record of the bundle before. A lower version is permitted, because a person
        asked for it."""
        path = bundle_file(self._config.paths.update_bundles, active.previous)
        changes = {
            "sha256": active.previous,
            "bundle": read_bundle(path).id,
            "allow_downgrade": True,
            "previous": "" if active.previous == active.configured else active.configured,
        }
        return active.model_copy(update=changes)
