"""The steps of a bundle from its download to its acceptance."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from edge.active_bundle import ActiveBundle, bundle_file, read_active, write_active
from edge.assembly.admission import remember
from edge.bundle import read_bundle
from edge.clock import utc_now
from edge.commission.record import read_record
from edge.config.station import StationConfig
from edge.errors import OutfeedError
from edge.events.start import StartEvent
from edge.journal.reader import JournalReader
from edge.trial.admission import AdmittedBundle, check_download, keep_configured, take_download
from edge.trial.going_back import GoingBack, begin_return
from edge.trial.link import StationLink
from edge.trial.live_shadow import LiveShadow
from edge.update_notes import TrialFigures, UpdateNote
from edge.update_notes import UpdateState as NoteState
from edge.updates.channel import Accept, NotSwitched, ProbationFigures, Revert, Reverted, Switch
from edge.updates.files import read_progress, remove_others
from edge.updates.judge import make_note
from edge.updates.state import Phase, TrialState, UpdateState

_log = logging.getLogger(__name__)

# The figures of a trial are stored this often. After a kill, the parts since then are inspected
# again.
_SAVE_S = 300.0

_TAIL_ROWS = 8192
_ORDERLY = ("first", "stopped", "failed", "power")
_START = f'"type":"{StartEvent.model_fields["type"].default}"'


class TrialSteps:
    """Brings the trial of a state forward. For one thread.

    ``advance`` returns the next state, which the caller stores before it calls again. Each step can
    be repeated after a kill at any moment.
    """

    def __init__(
        self, config: StationConfig, link: StationLink, now_s: Callable[[], float]
    ) -> None:
        """config: as in station.toml, without the accepted bundle. now_s: the wall clock."""
        self._config = config
        self._link = link
        self._now_s = now_s
        self._going_back = GoingBack(config, link)
        self._admitted: AdmittedBundle | None = None
        self._shadow: LiveShadow | None = None
        self._asked: tuple[str, str] | None = None  # token and sha256 of the switch that was sent
        self._figures: TrialFigures | None = None
        self._saved_s = 0.0

    @property
    def shadow(self) -> LiveShadow | None:
        """Return the shadow that runs now."""
        return self._shadow

    def advance(self, state: UpdateState) -> UpdateState:
        """Do the next piece of work. Blocks for a proof at most. Raises OutfeedError for a fault of
        the disk that may pass."""
        trial = state.trial
        self._end_what_is_unwanted(trial)
        if trial is None:
            self._link.drop_reports()
            return state
        if trial.phase == "downloading":
            return self._download(state, trial)
        if trial.phase == "checking":
            return self._check(state, trial)
        if trial.phase == "shadow":
            return self._run_shadow(state, trial)
        if trial.phase == "probation":
            return self._run_probation(state, trial)
        if trial.phase == "accepting":
            return self._accept(state, trial)
        end = self._going_back.turn()
        return state if end is None else self._end(state, trial, *end)

    def revert(self, state: UpdateState) -> UpdateState | None:
        """Return the state after a person at the station asked for the former bundle; None: not
        done yet, so it is to be called again."""
        trial = state.trial
        reason = "a person at the station asked for it (outfeed bundle revert)"
        if trial is None:
            return begin_return(self._config, state, self._now_s())
        if trial.phase == "accepting":
            return None
        if trial.phase == "probation" and trial.token:
            if self._link.probation:
                self._link.send(Revert(reason=reason))
                return None
            return self._end(state, trial, "reverted", reason)
        if trial.phase == "returning":
            return state
        return self._end(state, trial, "refused", reason)

    def close(self) -> None:
        """End the shadow."""
        self._end_shadow()

    def _download(self, state: UpdateState, trial: TrialState) -> UpdateState:
        if (expired := self._expired(state, trial)) is not None:
            return expired
        progress = read_progress(self._config.paths.updater_report)
        if progress is None or progress.sha256 != _sha256(trial):
            return state
        if progress.state == "refused":
            return self._end(state, trial, "refused", progress.text)
        if progress.state == "complete":
            return self._enter(state, trial, "checking", "checking")
        is_noted = state.last is not None and state.last.state == "downloading"
        if is_noted or not progress.loaded_bytes:
            return state
        note = self._note(trial, "downloading", "")
        return state.with_notes(note)

    def _check(self, state: UpdateState, trial: TrialState) -> UpdateState:
        if (expired := self._expired(state, trial)) is not None:
            return expired
        try:
            take_download(self._config, trial.body)
            self._admitted = check_download(self._config, trial.body)
        except OutfeedError as error:
            return self._end(state, trial, "refused", str(error))
        return self._enter(state, trial, "shadow", "shadow")

    def _run_shadow(self, state: UpdateState, trial: TrialState) -> UpdateState:
        if (expired := self._expired(state, trial)) is not None:
            return expired
        if self._link.hello is None:
            return state
        try:
            if self._shadow is None:
                if self._admitted is None:
                    self._admitted = check_download(self._config, trial.body)
                self._shadow = LiveShadow(self._config, self._link, self._admitted, trial)
            self._shadow.turn()
        except OutfeedError as error:
            return self._end(state, trial, "refused", str(error), self._shadow_figures(trial))
        figures, fault = self._shadow.figures, self._shadow.fault
        hours = trial.body.shadow.hours
        if fault is None and not self._shadow.is_complete:
            if self._now_s() - trial.began_s > hours * 3600:
                fault = (
                    f"{figures.parts} parts and {figures.rejects} rejects in {hours:g} hours are "
                    "not enough"
                )
            else:
                return self._save(state, trial.model_copy(update={"figures": figures}))
        if fault is not None:
            return self._end(state, trial, "refused", fault, figures)
        changes = {"phase": "probation", "began_s": self._now_s(), "figures": figures, "token": ""}
        return state.with_trial(trial.model_copy(update=changes))

    def _run_probation(self, state: UpdateState, trial: TrialState) -> UpdateState:
        if not trial.token and self._link.probation == _sha256(trial):
            return self._switched(state, trial)
        while (report := self._link.next_report()) is not None:
            if report.sha256 != _sha256(trial):
                continue
            if isinstance(report, NotSwitched):
                return self._end(state, trial, "refused", report.reason, trial.figures)
            if isinstance(report, Reverted):
                if not trial.switches:
                    # It was reverted before this process knew that it had decided a part.
                    state = state.with_notes(self._note(trial, "probation", "", trial.figures))
                return self._end(state, trial, "reverted", report.reason, report.figures)
            if isinstance(report, ProbationFigures) and trial.token:
                self._figures = report.figures
                if report.is_complete:
                    changes = {"phase": "accepting", "probation": report.figures}
                    return state.with_trial(trial.model_copy(update=changes))
        hello = self._link.hello
        if hello is None:
            return state
        if trial.token and trial.token != hello.token:
            return self._restarted(state, trial)
        if trial.token and not self._link.probation:
            reason = "the station went back while this process did not run"
            return self._end(state, trial, "reverted", reason, trial.probation)
        if not trial.token:
            self._ask_for_switch(hello.token, trial)
            return state
        hours = trial.body.probation.hours
        if self._now_s() - trial.began_s > hours * 3600:
            self._link.send(Revert(reason=f"not enough parts in {hours:g} hours"))
        figures = self._figures or trial.probation
        return self._save(state, trial.model_copy(update={"probation": figures}))

    def _ask_for_switch(self, token: str, trial: TrialState) -> None:
        sha256 = _sha256(trial)
        if self._asked == (token, sha256) or self._link.probation:
            return
        switch = Switch(
            sha256=sha256,
            allow_downgrade=trial.body.allow_downgrade,
            limits=trial.body.probation,
            shadow=trial.figures,
            figures=trial.probation,
        )
        if self._link.send(switch):
            self._asked = (token, sha256)

    def _switched(self, state: UpdateState, trial: TrialState) -> UpdateState:
        assert self._link.hello is not None
        changes = {"token": self._link.hello.token, "switches": trial.switches + 1}
        state = state.with_trial(trial.model_copy(update=changes))
        if trial.switches:
            return state
        return state.with_notes(self._note(trial, "probation", "", trial.figures))

    def _restarted(self, state: UpdateState, trial: TrialState) -> UpdateState:
        """The station has started again, with its accepted bundle."""
        end = self._last_end()
        if end is None:
            return state
        if end in _ORDERLY:
            return state.with_trial(trial.model_copy(update={"token": ""}))
        reason = f"the station ended in the probation: {end}"
        return self._end(state, trial, "reverted", reason, trial.probation)

    def _last_end(self) -> str | None:
        """Return the end of the previous run; None: the journal does not have it yet."""
        with JournalReader(self._config.paths.journal) as reader:
            rows = reader.latest(_TAIL_ROWS)
        if not rows:
            return None
        for row in rows:
            if row.run == rows[0].run and _START in row.body:
                return StartEvent.model_validate_json(row.body).last_end
        return None

    def _accept(self, state: UpdateState, trial: TrialState) -> UpdateState:
        """Make the bundle the accepted one, after the station has dropped the former one.

        Each write may be repeated.
        """
        paths, config = self._config.paths, self._config
        sha256, link = _sha256(trial), self._link
        while (report := link.next_report()) is not None:
            if isinstance(report, Reverted) and report.sha256 == sha256:
                return self._end(state, trial, "reverted", report.reason, report.figures)
        if link.hello is None:
            return state
        if trial.token != link.hello.token:
            return state.with_trial(trial.model_copy(update={"phase": "probation"}))
        bundle = read_bundle(bundle_file(paths.update_bundles, sha256))
        if link.probation == sha256:
            link.send(Accept(sha256=sha256))
            return state
        if link.running != bundle.id:
            reason = "the station went back before it was accepted"
            return self._end(state, trial, "reverted", reason, trial.probation)
        before = read_active(paths.active_bundle)
        configured, _ = keep_configured(config)
        if before is None or before.sha256 != sha256:
            is_current = before is not None and before.configured == configured
            previous = before.sha256 if before is not None and is_current else configured
            active = ActiveBundle(
                sha256=sha256,
                bundle=bundle.id,
                configured=configured,
                allow_downgrade=trial.body.allow_downgrade,
                previous=previous,
                commissioned=self._commissioned(before if is_current else None),
                p999_ms=trial.probation.p999_ms,
            )
            try:
                write_active(paths.active_bundle, active)
            except OSError as error:
                raise OutfeedError(f"{paths.active_bundle}: {error.strerror}") from error
        remember(config, bundle)
        note = self._note(trial, "accepted", "", trial.probation, running=bundle.id)
        return state.with_trial(None).with_notes(note)

    def _commissioned(self, before: ActiveBundle | None) -> str:
        """Return the digest of the bundle with which the station was commissioned."""
        if before is not None and before.commissioned:
            return before.commissioned
        with suppress(OutfeedError):
            if read_record(self._config.paths.commissioning) is not None:
                return read_bundle(self._config.bundle).digest
        return ""

    def _end_what_is_unwanted(self, trial: TrialState | None) -> None:
        """End a shadow or a probation of another trial, for instance of a superseded one."""
        if self._shadow is not None and (
            trial is None or trial.phase != "shadow" or _sha256(trial) != self._shadow.sha256
        ):
            self._end_shadow()
        if trial is None or trial.phase in ("downloading", "checking"):
            self._admitted, self._asked, self._figures = None, None, None
            self._going_back.forget()
        if self._link.probation and (
            trial is None or trial.phase not in ("probation", "accepting", "returning")
        ):
            self._link.send(Revert(reason="a newer desired state replaces it"))

    def _end_shadow(self) -> None:
        if self._shadow is not None:
            self._shadow.close()
        self._shadow = None

    def _shadow_figures(self, trial: TrialState) -> TrialFigures:
        return trial.figures if self._shadow is None else self._shadow.figures

    def _expired(self, state: UpdateState, trial: TrialState) -> UpdateState | None:
        """Return the state after the desired state has expired; None: it has not."""
        if self._now_s() <= trial.body.expires:
            return None
        reason = f"the desired state expired in the step '{trial.phase}'"
        return self._end(state, trial, "refused", reason)

    def _save(self, state: UpdateState, trial: TrialState) -> UpdateState:
        """Return the state with the figures of the trial, if it is time to store them."""
        if self._now_s() - self._saved_s < _SAVE_S:
            return state
        self._saved_s = self._now_s()
        return state.with_trial(trial)

    def _enter(
        self, state: UpdateState, trial: TrialState, phase: Phase, change: NoteState
    ) -> UpdateState:
        changes = {"phase": phase, "began_s": self._now_s()}
        note = self._note(trial, change, "")
        return state.with_trial(trial.model_copy(update=changes)).with_notes(note)

    def _end(
        self,
        state: UpdateState,
        trial: TrialState,
        change: NoteState,
        reason: str,
        figures: TrialFigures | None = None,
    ) -> UpdateState:
        self._end_shadow()
        return state.with_trial(None).with_notes(self._note(trial, change, reason, figures))

    def _note(
        self,
        trial: TrialState,
        change: NoteState,
        reason: str,
        figures: TrialFigures | None = None,
        *,
        running: str = "",
    ) -> UpdateNote:
        return make_note(
            trial.desired_id,
            trial.body,
            change,
            reason,
            running or self._link.running,
            utc_now(),
            figures,
        )

    def clean(self, state: UpdateState) -> None:
        """Remove bundles that are neither accepted, nor the one before, nor on trial."""
        keep = {"" if state.trial is None else _sha256(state.trial)}
        with suppress(OutfeedError):
            active = read_active(self._config.paths.active_bundle)
            if active is not None:
                keep |= {active.sha256, active.previous, active.configured}
            remove_others(self._config.paths.update_bundles, keep - {""})


def _sha256(trial: TrialState) -> str:
    bundle = trial.body.bundle
    return "" if bundle is None else bundle.sha256
