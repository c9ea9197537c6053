"""The things that every route of the application needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Path as PathParameter
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from central.access.caller import Caller
from central.access.openid import OpenIdClient
from central.access.permissions import Permission
from central.alarms.records import ShownAlarm, read_alarms
from central.bundles.folder import BundleFolder
from central.config.web import WebConfig
from central.pictures.archive import PictureArchive
from central.store.database import Database
from central.store.queries import StationSummary, read_wall
from central.web.live import LiveWall, View
from central.web.pages import make_templates

RowNumber = Annotated[int, PathParameter(ge=0, le=(1 << 63) - 1)]
"""The number of a row in an address, within the integers of both databases."""


@dataclass(frozen=True, slots=True)
class WebContext:
    """The database, the clock, the templates, the live wall, and how people log in.

    now_us: the clock, in microseconds since 1970 UTC. openid: None: only local accounts. pictures:
    the received pictures; None: there are none. bundles: the folder of bundles; None: there is
    none.
    """

    database: Database
    now_us: Callable[[], int]
    templates: Environment
    live: LiveWall
    web: WebConfig
    openid: OpenIdClient | None = None
    pictures: PictureArchive | None = None
    bundles: BundleFolder | None = None

    @classmethod
    def make(
        cls,
        database: Database,
        now_us: Callable[[], int],
        web: WebConfig,
        openid: OpenIdClient | None = None,
        pictures: PictureArchive | None = None,
        bundles: BundleFolder | None = None,
    ) -> WebContext:
        """Return the context of an application. Its live wall is not started."""
        templates = make_templates()

        def render(view: View) -> str:
            return templates.get_template("wall_stations.html").render(
                stations=read_stations(database, now_us(), view), alarms=read_firing(database, view)
            )

        return cls(database, now_us, templates, LiveWall(render), web, openid, pictures, bundles)

    def page(
        self, template: str, caller: Caller | None = None, status: int = 200, **values: object
    ) -> HTMLResponse:
        """Return a page. Every value is escaped.

        caller: whose name, links and forms the page shows; None: there is no login.
        """
        text = self.templates.get_template(template).render(
            person=caller, Permission=Permission, **values
        )
        return HTMLResponse(text, status)


def read_firing(database: Database, view: View) -> tuple[ShownAlarm, ...]:
    """Return the alarms at the stations of a view, the worst first. Raises StoreError."""
    with database.read() as connection:
        return read_alarms(connection, view)


def read_stations(database: Database, now_us: int, view: View) -> tuple[StationSummary, ...]:
    """Return the state of the stations of a view. Raises StoreError."""
    with database.read() as connection:
        found = read_wall(connection, now_us)
    return tuple(each for each in found if view is None or each.name in view)
