"""The things that every route of the application needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi.responses import HTMLResponse
from jinja2 import Environment

from central.store.database import Database
from central.store.queries import StationSummary, read_wall
from central.web.live import LiveWall
from central.web.pages import make_templates


@dataclass(frozen=True, slots=True)
class WebContext:
    """The database, the clock, the templates and the live wall.

    now_us: the clock, in microseconds since 1970 UTC.
    """

    database: Database
    now_us: Callable[[], int]
    templates: Environment
    live: LiveWall

    @classmethod
    def make(cls, database: Database, now_us: Callable[[], int]) -> WebContext:
        """Return the context of an application. Its live wall is not started."""
        templates = make_templates()

        def render() -> str:
            stations = read_stations(database, now_us())
            return templates.get_template("wall_stations.html").render(stations=stations)

        return cls(database, now_us, templates, LiveWall(render))

    def page(self, template: str, **values: object) -> HTMLResponse:
        """Return a page. Every value is escaped."""
        return HTMLResponse(self.templates.get_template(template).render(**values))


def read_stations(database: Database, now_us: int) -> tuple[StationSummary, ...]:
    """Return the state of every station. Raises StoreError."""
    with database.read() as connection:
        return read_wall(connection, now_us)
