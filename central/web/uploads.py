"""Uploaded files: the file of a form, or the whole body of a request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, HTTPException, Request
from starlette.datastructures import UploadFile

from central.web.access import MAX_FORM_BYTES, check_length
from edge.bundle import MAX_BYTES


async def read_file_form(request: Request) -> bytes:
    """Return the file of a form, from its field ``file``.

    Raises HTTPException 411 and 413 for the length, 415 for another kind of body, and 422 where
    there is no file.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise HTTPException(415, "expected a form with a file (multipart/form-data)")
    check_length(request, MAX_FORM_BYTES)
    try:
        found = (await request.form(max_files=1, max_fields=20)).get("file")
        if not isinstance(found, UploadFile) or not found.size:
            raise HTTPException(422, "file: choose a file")
        return await found.read()
    finally:
        await request.close()  # the file, which a form keeps on the disk


async def read_body(request: Request) -> bytes:
    """Return a body of bytes, of at most the size of a bundle. Raises HTTPException."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/octet-stream":
        raise HTTPException(415, "expected the file itself (application/octet-stream)")
    check_length(request, MAX_BYTES)
    return await request.body()


FileForm = Annotated[bytes, Depends(read_file_form)]
"""The parameter of a route that takes a form with a file."""

FileBody = Annotated[bytes, Depends(read_body)]
"""The parameter of a route that takes a file as its body."""
