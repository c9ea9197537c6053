"""The pages of the search, of one part and of the review queue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse
from starlette.responses import Response

from central.access.caller import Caller
from central.access.permissions import Permission
from central.store.evidence import PartEvidence, read_evidence
from central.store.judgements import PartReview, read_guidance, read_reviews, write_review
from central.store.lots import read_lot_of
from central.store.search import (
    VERDICTS,
    FoundParts,
    PartSearch,
    TooWideSearchError,
    find_parts,
    read_review_queue,
)
from central.store.tables import DAY_US
from central.web.access import require
from central.web.api import find_part
from central.web.context import WebContext
from central.web.plant.drawings import ShownPicture, boxes_of, draw_defects, shown_pictures
from central.web.plant.fleet import read_fleet
from central.web.plant.forms import Form, change, see_other
from central.web.plant.queries import (
    AfterQuery,
    in_scope,
    page_search,
    read_position,
    scope_of,
    write_position,
)
from central.web.plant.thumbnails import Thumbnails, draw_thumbnail
from edge.records import Decision

REVIEW_DAYS = 7
_MAX_PART = (1 << 63) - 1
_KEEP_PICTURE_S = 3_600
_KEEP_DRAWING_S = 60
_EMPTY_PX = 64

SeeParts = Annotated[Caller, require(Permission.SEE_PARTS)]
SeePictures = Annotated[Caller, require(Permission.SEE_PICTURES)]
MarkParts = Annotated[Caller, require(Permission.MARK_PARTS)]
Search = Annotated[PartSearch, Depends(page_search)]


def make_part_pages(context: WebContext) -> APIRouter:
    """Return the routes of these pages."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_search_page(router, context)
    _add_part_page(router, context)
    _add_picture(router, context)
    _add_thumbnail(router, context)
    _add_review_part(router, context)
    _add_review_page(router, context)
    return router


def _add_search_page(router: APIRouter, context: WebContext) -> None:
    @router.get("/parts")
    def search_page(
        request: Request, caller: SeeParts, search: Search, after: AfterQuery = ""
    ) -> HTMLResponse:
        problem = ""
        found = FoundParts((), None)
        with context.database.read() as connection:
            known = read_fleet(connection, scope_of(caller, Permission.SEE_PARTS), context.now_us())
            try:
                found = find_parts(
                    connection,
                    in_scope(caller, Permission.SEE_PARTS, search),
                    after=read_position(after),
                )
            except TooWideSearchError as error:
                problem = str(error)
        pairs = [
            (name, value)
            for name, value in request.query_params.multi_items()
            if name != "after" and value
        ]
        following = write_position(found.after)
        return context.page(
            "parts.html",
            caller,
            search=search,
            parts=found.parts,
            problem=problem,
            stations=[each.name for each in known],
            decisions=list(Decision),
            query=urlencode(pairs),
            following=urlencode([*pairs, ("after", following)]) if following else "",
        )


def _add_part_page(router: APIRouter, context: WebContext) -> None:
    @router.get("/stations/{station}/parts/{part_id}")
    def part_page(caller: SeeParts, station: str, part_id: int) -> HTMLResponse:
        found = find_part(context, station, part_id)
        with context.database.read() as connection:
            advice = {each.kind: each for each in read_guidance(connection)}
            made = read_reviews(connection, station, part_id)
            lot = read_lot_of(connection, station, found[0].part.at_us)
            evidence = read_evidence(connection, station, part_id)
        kinds = dict.fromkeys(each.kind for each in found[0].defects)
        pictures: tuple[ShownPicture, ...] = ()
        if caller.may_at(Permission.SEE_PICTURES, station):
            pictures = shown_pictures(_pictures(context, station, part_id, evidence))
        return context.page(
            "part.html",
            caller,
            station=station,
            found=found,
            lot=lot,
            reviews=made,
            verdicts=VERDICTS,
            advice=[advice[kind] for kind in kinds if kind in advice],
            drawing=draw_defects(found[0].defects),
            pictures=pictures,
            outlines=() if evidence is None else evidence.outlines,
        )


def _add_picture(router: APIRouter, context: WebContext) -> None:
    @router.get("/stations/{station}/parts/{part_id}/pictures/{index}")
    def picture(caller: SeePictures, station: str, part_id: int, index: int) -> Response:
        find_part(context, station, part_id)
        with context.database.read() as connection:
            evidence = read_evidence(connection, station, part_id)
        found = _pictures(context, station, part_id, evidence)
        if not 0 <= index < len(found):
            raise HTTPException(404, "there is no picture of this part")
        return FileResponse(
            found[index],
            media_type="image/png",
            headers={"Cache-Control": f"private, max-age={_KEEP_PICTURE_S}"},
        )


def _add_thumbnail(router: APIRouter, context: WebContext) -> None:
    thumbnails = Thumbnails()

    @router.get("/stations/{station}/parts/{part_id}/thumbnail")
    def thumbnail(caller: SeePictures, station: str, part_id: int) -> Response:
        found = find_part(context, station, part_id)
        with context.database.read() as connection:
            evidence = read_evidence(connection, station, part_id)
        outlines = () if evidence is None else evidence.outlines
        outlines = outlines or boxes_of(found[0].defects)
        for path in _pictures(context, station, part_id, evidence):
            if (made := thumbnails.of_picture(path, outlines)) is not None:
                return _jpeg(made, _KEEP_PICTURE_S)
        view = draw_defects(found[0].defects)
        size = (_EMPTY_PX, _EMPTY_PX) if view is None else (view.width, view.height)
        # The picture may arrive later.
        return _jpeg(draw_thumbnail(outlines, *size), _KEEP_DRAWING_S)


def _jpeg(data: bytes, keep_s: int) -> Response:
    headers = {"Cache-Control": f"private, max-age={keep_s}"}
    return Response(data, media_type="image/jpeg", headers=headers)


def _pictures(
    context: WebContext, station: str, part_id: int, evidence: PartEvidence | None
) -> list[Path]:
    if context.pictures is None or evidence is None:
        return []
    return context.pictures.find(station, evidence.journal, part_id)


def _add_review_part(router: APIRouter, context: WebContext) -> None:
    @router.post("/stations/{station}/parts/{part_id}/review")
    def review_part(caller: MarkParts, station: str, part_id: int, form: Form) -> Response:
        if abs(part_id) > _MAX_PART:
            raise HTTPException(404, "there is no part with this number")
        review = PartReview(form.text("verdict"), form.text("note"), caller.name, context.now_us())
        change(
            context,
            caller,
            "part.review",
            f"{station} {part_id} {review.verdict}",
            lambda connection: write_review(connection, station, part_id, review),
        )
        if form.text("next") == "queue":
            return see_other("/review")
        return see_other(f"/stations/{station}/parts/{part_id}")


def _add_review_page(router: APIRouter, context: WebContext) -> None:
    @router.get("/review")
    def review_page(caller: SeeParts) -> HTMLResponse:
        since_us = context.now_us() - REVIEW_DAYS * DAY_US
        with context.database.read() as connection:
            items = read_review_queue(connection, scope_of(caller, Permission.SEE_PARTS), since_us)
        return context.page("review.html", caller, items=items, verdicts=VERDICTS, days=REVIEW_DAYS)
