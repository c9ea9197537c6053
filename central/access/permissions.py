"""The table of roles: what each role may see and do.

The reference page docs/reference/central-roles.md and the tests of the routes are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Permission(str, Enum):
    """A thing that may be seen or done. The text of each is ``DESCRIPTIONS``."""

    SEE_STATIONS = "see-stations"
    SEE_PARTS = "see-parts"
    SEE_PICTURES = "see-pictures"
    SEE_FIGURES = "see-figures"
    SEE_GUIDANCE = "see-guidance"
    SEE_ALARMS = "see-alarms"
    SEE_LOTS = "see-lots"
    SEE_ROLLOUTS = "see-rollouts"
    SEE_FLEET = "see-fleet"
    SEE_AUDIT = "see-audit"
    EXPORT = "export"
    MARK_PARTS = "mark-parts"
    EDIT_GUIDANCE = "edit-guidance"
    EDIT_LIMITS = "edit-limits"
    EDIT_LOTS = "edit-lots"
    ACKNOWLEDGE_ALARMS = "acknowledge-alarms"
    MUTE_ALARMS = "mute-alarms"
    EDIT_ALARMS = "edit-alarms"
    SEND_COMMANDS = "send-commands"
    UPLOAD_BUNDLES = "upload-bundles"
    RELEASE_BUNDLES = "release-bundles"
    PAUSE_ROLLOUTS = "pause-rollouts"
    MANAGE_LINES = "manage-lines"
    MANAGE_ACCOUNTS = "manage-accounts"
    DELETE_DATA = "delete-data"


class Role(str, Enum):
    """A group of people with the same permissions."""

    PRODUCTION = "production"
    QUALITY = "quality"
    MANAGEMENT = "management"
    ADMIN = "admin"


_P = Permission

DESCRIPTIONS: Mapping[Permission, str] = {
    _P.SEE_STATIONS: "see stations, their state and their last rejected parts",
    _P.SEE_PARTS: "look parts up, with their defects and marks",
    _P.SEE_PICTURES: "see the pictures of parts",
    _P.SEE_FIGURES: "see yield, rates, charts and Pareto",
    _P.SEE_GUIDANCE: "read the guidance for a kind of defect",
    _P.SEE_ALARMS: "see alarms",
    _P.SEE_LOTS: "see lots and orders",
    _P.SEE_ROLLOUTS: "see bundles, rollouts and what stations report about updates",
    _P.SEE_FLEET: "see versions, certificates and disks of stations",
    _P.SEE_AUDIT: "read, verify and export the audit log",
    _P.EXPORT: "export parts and figures as files",
    _P.MARK_PARTS: "mark parts as false reject, escape or correct",
    _P.EDIT_GUIDANCE: "write the guidance for a kind of defect",
    _P.EDIT_LIMITS: "freeze and change the limits of control charts",
    _P.EDIT_LOTS: "begin, end and correct lots and orders",
    _P.ACKNOWLEDGE_ALARMS: "acknowledge an alarm",
    _P.MUTE_ALARMS: "mute an alarm for a time, with a reason",
    _P.EDIT_ALARMS: "change the rules and receivers of alarms",
    _P.SEND_COMMANDS: "ask for a command to a station",
    _P.UPLOAD_BUNDLES: "upload and remove bundles",
    _P.RELEASE_BUNDLES: "plan, start, resume and end rollouts, and pin stations",
    _P.PAUSE_ROLLOUTS: "pause a rollout",
    _P.MANAGE_LINES: "create plants and lines, and assign stations to them",
    _P.MANAGE_ACCOUNTS: "create and disable accounts, and give them roles",
    _P.DELETE_DATA: "delete data before the end of its retention",
}

_SEE = frozenset(
    {
        _P.SEE_STATIONS,
        _P.SEE_PARTS,
        _P.SEE_PICTURES,
        _P.SEE_FIGURES,
        _P.SEE_GUIDANCE,
        _P.SEE_ALARMS,
        _P.SEE_LOTS,
        _P.SEE_ROLLOUTS,
    }
)

GRANTED: Mapping[Role, frozenset[Permission]] = {
    Role.PRODUCTION: _SEE | {_P.MARK_PARTS, _P.EDIT_LOTS, _P.ACKNOWLEDGE_ALARMS, _P.PAUSE_ROLLOUTS},
    Role.QUALITY: _SEE
    | {
        _P.SEE_FLEET,
        _P.EXPORT,
        _P.MARK_PARTS,
        _P.EDIT_GUIDANCE,
        _P.EDIT_LIMITS,
        _P.EDIT_LOTS,
        _P.ACKNOWLEDGE_ALARMS,
        _P.MUTE_ALARMS,
        _P.EDIT_ALARMS,
        _P.SEND_COMMANDS,
        _P.UPLOAD_BUNDLES,
        _P.RELEASE_BUNDLES,
        _P.PAUSE_ROLLOUTS,
    },
    Role.MANAGEMENT: _SEE | {_P.SEE_FLEET, _P.EXPORT},
    # Judgements about quality are no task of an admin. A person who has both gets both roles.
    Role.ADMIN: _SEE
    | {
        _P.SEE_FLEET,
        _P.SEE_AUDIT,
        _P.EXPORT,
        _P.ACKNOWLEDGE_ALARMS,
        _P.MUTE_ALARMS,
        _P.EDIT_ALARMS,
        _P.SEND_COMMANDS,
        _P.UPLOAD_BUNDLES,
        _P.RELEASE_BUNDLES,
        _P.PAUSE_ROLLOUTS,
        _P.MANAGE_LINES,
        _P.MANAGE_ACCOUNTS,
        _P.DELETE_DATA,
    },
}

WHOLE: frozenset[Permission] = frozenset(
    {
        _P.SEE_AUDIT,
        _P.UPLOAD_BUNDLES,
        _P.MANAGE_LINES,
        _P.MANAGE_ACCOUNTS,
        _P.DELETE_DATA,
    }
)
"""Permissions of the whole installation. A role of one plant or line does not give them."""
