"""The dangerous actions of the whole central system, with that of rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from central.access.actions import ACTIONS
from central.access.audit import AuditedChange
from central.access.permissions import Permission
from central.access.requests import DangerousAction, Requests
from central.rollouts.changes import start_rollout


def _release_all(change: AuditedChange, subject: str, detail: Mapping[str, Any]) -> None:
    start_rollout(change, int(detail["rollout"]), at_once=True)


ROLLOUT_AT_ONCE = DangerousAction(
    "rollout.at-once",
    "release a rollout to all of its stations at once",
    Permission.RELEASE_BUNDLES,
    _release_all,
)

ALL_ACTIONS = (*ACTIONS, ROLLOUT_AT_ONCE)
ALL_REQUESTS = Requests(ALL_ACTIONS)
