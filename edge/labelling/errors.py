"""The errors of the label page, each one line that the page shows."""

from __future__ import annotations

from edge.errors import OutfeedError


class LabelPageError(OutfeedError):
    """A label cannot be read, saved or accepted; also a request that is not as expected."""


class UnknownPictureError(LabelPageError):
    """The page asks for a picture that is not in the folder."""


class ConflictError(LabelPageError):
    """Another person has saved the picture since it was opened. Nothing was saved.

    by: the person. utc: the time of that save, RFC 3339. Both '' where files were changed by
    another program.
    """

    def __init__(self, message: str, *, by: str, utc: str) -> None:
        super().__init__(message)
        self.by = by
        self.utc = utc
