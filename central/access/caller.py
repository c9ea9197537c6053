"""The caller of a route: a person or program, with its roles and their scopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from central.access.permissions import GRANTED, WHOLE, Permission, Role


@dataclass(frozen=True, slots=True)
class Place:
    """The line and the plant of a station, by number. None: the station is not assigned."""

    plant_id: int | None = None
    line_id: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A role and its scope: a line, or a plant with all its lines, or everything."""

    role: Role
    plant_id: int | None = None
    line_id: int | None = None

    @property
    def is_whole(self) -> bool:
        """Return whether the scope is everything, with stations that are not assigned."""
        return self.plant_id is None and self.line_id is None

    def covers(self, place: Place) -> bool:
        """Return whether a station at this place is in the scope."""
        if self.is_whole:
            return True
        if self.line_id is not None:
            return place.line_id == self.line_id
        return place.plant_id == self.plant_id

    def gives(self, permission: Permission) -> bool:
        """Return whether the role has the permission, for at least a part of the installation."""
        return permission in GRANTED[self.role] and (self.is_whole or permission not in WHOLE)


@dataclass(frozen=True, slots=True)
class Caller:
    """A person or program that uses the pages or the API.

    name: the account, as the audit log has it. via: local, password, openid or token. csrf: the
    token that a form must send; empty where no form needs one. places: the place of each station
    that is assigned. address: of the client.
    """

    name: str
    grants: tuple[Grant, ...]
    via: str = "local"
    account_id: int | None = None
    csrf: str = ""
    places: Mapping[str, Place] = field(default_factory=dict)
    address: str = ""

    def may(self, permission: Permission) -> bool:
        """Return whether the caller has the permission somewhere."""
        return any(grant.gives(permission) for grant in self.grants)

    def may_at(self, permission: Permission, station: str) -> bool:
        """Return whether the caller has the permission for this station."""
        place = self.places.get(station, Place())
        return any(grant.gives(permission) and grant.covers(place) for grant in self.grants)

    def may_everywhere(self, permission: Permission) -> bool:
        """Return whether the caller has the permission for all stations, assigned or not."""
        return any(grant.gives(permission) and grant.is_whole for grant in self.grants)

    def stations(self, permission: Permission) -> frozenset[str] | None:
        """Return the names of the stations with this permission; None: all of them."""
        if self.may_everywhere(permission):
            return None
        return frozenset(name for name in self.places if self.may_at(permission, name))


LOCAL = Caller("local", tuple(Grant(role) for role in Role))
"""The user of this machine, where accounts are off. It has every role."""
