"""The files of a local page: HTML, styles and scripts from the folders ``page`` of packages."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_SHARED = "edge.web"


class PageFiles:
    """The files of one package, and those that all pages share. They are read once."""

    def __init__(self, package: str) -> None:
        """package: for instance ``edge.labelling``; its files are in the folder ``page``."""
        self._package = package

    def text(self, name: str) -> str:
        """Return the content of a file. Raises KeyError for a name that is not one of them."""
        return _contents(self._package).get(name) or _contents(_SHARED)[name]

    def route(self) -> Route:
        """Return the route ``/page/NAME`` of styles, scripts and icons."""

        async def static(request: Request) -> Response:
            name = request.path_params["name"]
            kind = _TYPES.get(name[name.rfind(".") :], "")
            try:
                return Response(self.text(name if kind else ""), media_type=kind)
            except KeyError:
                return JSONResponse({"error": "no such file"}, 404)

        return Route("/page/{name}", static)


@lru_cache(maxsize=4)
def _contents(package: str) -> dict[str, str]:
    folder = files(package) / "page"
    return {each.name: each.read_text("utf-8") for each in folder.iterdir() if each.is_file()}
