"""The permission that a route declares.

A route takes the caller by ``Annotated[Caller, require(Permission.SEE_PARTS)]``, or names the
permission alone by ``dependencies=[require(Permission.SEE_PARTS)]``. A path parameter ``station``
is compared with the scope of the caller. Where a route lists stations, it keeps those of
``caller.stations(permission)``.
"""

from __future__ import annotations

from typing import Any

from fastapi import Depends, HTTPException, Request
from fastapi.params import Depends as Dependency

from central.access.caller import LOCAL, Caller
from central.access.permissions import Permission


class Requirement:
    """The check of one permission, as a dependency of FastAPI."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    def __call__(self, request: Request) -> Caller:
        """Return the caller. Raises HTTPException 403, and 404 for a station out of its scope."""
        caller = LOCAL
        if not caller.may(self.permission):
            raise HTTPException(403, f"this account has no permission {self.permission.value}")
        station: Any = request.path_params.get("station")
        if station is not None and not caller.may_at(self.permission, station):
            raise HTTPException(404, "there is no station with this name")
        return caller


def require(permission: Permission) -> Dependency:
    """Return the dependency that checks a permission and gives the Caller."""
    dependency: Dependency = Depends(Requirement(permission))
    return dependency
