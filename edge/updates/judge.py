"""The decision about a received desired state, as a pure step without clock and disk."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from edge.errors import OutfeedError
from edge.update_notes import TrialFigures, UpdateNote
from edge.update_notes import UpdateState as NoteState
from edge.updates.desired import DesiredBody, SignedDesired, read_desired
from edge.updates.state import TrialState, UpdateState

AHEAD_S = 300.0
"""A desired state may be signed by a clock that is this much ahead of the station's, in seconds."""

_MAX_REASON = 400


@dataclass(frozen=True, slots=True)
class UpdateRules:
    """The facts of a station that decide about a desired state.

    operators: public keys in 64 hex digits. signers: how many of them must have signed. plant,
    line: empty texts accept every one. active: sha256 of the accepted bundle; empty: not known.
    running: id of the bundle that decides now.
    """

    station: str
    operators: Collection[str]
    signers: int = 1
    plant: str = ""
    line: str = ""
    active: str = ""
    running: str = ""


@dataclass(frozen=True, slots=True)
class UpdateMoment:
    """The time of a decision. now_s: seconds since 1970. utc: the same as RFC 3339."""

    now_s: float
    utc: str


@dataclass(frozen=True, slots=True)
class UpdateJudgement:
    """The result of a message.

    refused: the refusal, which changes nothing else. Anyone may send such a message again, so the
    caller limits how many become events.
    """

    state: UpdateState
    refused: UpdateNote | None = None


class _RefusedError(OutfeedError):
    """The station does not follow the desired state."""


class _LaterError(_RefusedError):
    """The desired state is signed in the future of this station's clock."""


def judge(
    state: UpdateState, rules: UpdateRules, payload: bytes, moment: UpdateMoment
) -> UpdateJudgement:
    """Decide about a message, as it was received. An empty one changes nothing."""
    if not payload:
        return UpdateJudgement(state)
    signed: SignedDesired | None = None
    body: DesiredBody | None = None
    try:
        signed = read_desired(payload)
        _check_signatures(signed, rules)
        body = signed.read()
        _check_place(body, rules)
        if signed.desired_id == state.latest:
            return UpdateJudgement(state)
        _check_time(body, moment)
        _check_revision(body, state)
    except _LaterError as error:
        later = state.model_copy(update={"later": payload.decode("utf-8", "replace")})
        return UpdateJudgement(later, _refusal(signed, body, payload, str(error), rules, moment))
    except OutfeedError as error:
        return UpdateJudgement(state, _refusal(signed, body, payload, str(error), rules, moment))
    assert signed is not None
    return UpdateJudgement(_follow(state, rules, signed.desired_id, body, moment))


def make_note(
    desired_id: str,
    body: DesiredBody | None,
    change: NoteState,
    reason: str,
    running: str,
    utc: str,
    figures: TrialFigures | None = None,
) -> UpdateNote:
    """Return the note of a change of state. The same change has the same id."""
    bundle = None if body is None else body.bundle
    number = hashlib.sha256(f"{desired_id} {change} {utc}".encode()).hexdigest()[:32]
    return UpdateNote(
        id=number,
        desired_id=desired_id,
        revision=None if body is None else body.revision,
        name="" if bundle is None else bundle.name,
        version="" if bundle is None else bundle.version,
        sha256="" if bundle is None else bundle.sha256,
        state=change,
        reason=reason[:_MAX_REASON],
        running=running[:300],
        utc=utc,
        figures=figures,
    )


def _follow(
    state: UpdateState, rules: UpdateRules, desired_id: str, body: DesiredBody, moment: UpdateMoment
) -> UpdateState:
    """Return the state after a valid desired state with a higher revision."""
    notes: list[UpdateNote] = []
    trial = state.trial
    wanted = body.bundle
    keeps_trial = (
        trial is not None
        and wanted is not None
        and trial.body.bundle is not None
        and trial.body.bundle.sha256 == wanted.sha256
    )
    if trial is not None and not keeps_trial:
        reason = f"revision {body.revision} replaces it"
        notes.append(
            make_note(trial.desired_id, trial.body, "superseded", reason, rules.running, moment.utc)
        )
        trial = None
    if wanted is None:
        notes.append(make_note(desired_id, body, "kept", body.note, rules.running, moment.utc))
    elif wanted.sha256 == rules.active:
        reason = "this bundle is accepted already"
        notes.append(make_note(desired_id, body, "accepted", reason, rules.running, moment.utc))
    else:
        notes.append(make_note(desired_id, body, "wanted", body.note, rules.running, moment.utc))
        if trial is None:
            trial = TrialState(
                desired_id=desired_id, body=body, phase="downloading", began_s=moment.now_s
            )
        else:
            trial = trial.model_copy(update={"desired_id": desired_id, "body": body})
    changes = {
        "revision": body.revision,
        "latest": desired_id,
        "latest_body": body,
        "later": "",
        "trial": trial,
    }
    return state.model_copy(update=changes).with_notes(*notes)


def _check_signatures(signed: SignedDesired, rules: UpdateRules) -> None:
    signers = len(signed.signers(rules.operators))
    if signers < rules.signers:
        raise _RefusedError(
            f"{signers} of trust.operator_keys signed this text, and updates.signers is "
            f"{rules.signers}: altered, forged, or signed by an unknown key"
        )


def _check_place(body: DesiredBody, rules: UpdateRules) -> None:
    for name, wanted, own in (
        ("station", body.station, rules.station),
        ("plant", body.plant, rules.plant),
        ("line", body.line, rules.line),
    ):
        if own and wanted != own:
            raise _RefusedError(f"is for {name} '{wanted}', not for '{own}'")


def _check_time(body: DesiredBody, moment: UpdateMoment) -> None:
    """Check before the revision is stored: one of the far future must not block all others."""
    ahead_s = body.revision / 1e6 - moment.now_s
    if ahead_s > AHEAD_S:
        raise _LaterError(
            f"was signed {ahead_s:.0f} s in the future: the clock of this station or of the "
            "signing machine is wrong"
        )
    if moment.now_s > body.expires:
        raise _RefusedError(f"expired {moment.now_s - body.expires:.0f} s ago")


def _check_revision(body: DesiredBody, state: UpdateState) -> None:
    if body.revision <= state.revision:
        raise _RefusedError(
            f"revision {body.revision} is not above {state.revision}, the latest one: a replay, "
            "or out of order"
        )


def _refusal(
    signed: SignedDesired | None,
    body: DesiredBody | None,
    payload: bytes,
    reason: str,
    rules: UpdateRules,
    moment: UpdateMoment,
) -> UpdateNote:
    """Return the refusal. Only a text with enough signatures is named by its own id."""
    number = (
        hashlib.sha256(payload).hexdigest()[:32]
        if signed is None or body is None
        else signed.desired_id
    )
    return make_note(number, body, "refused", reason, rules.running, moment.utc)
