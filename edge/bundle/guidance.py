"""Guidance of a central system for kinds of defects, and its way into a bundle.

``outfeed-central guidance export`` writes the file. The text of a kind is part of the signed
manifest, and a station puts it into the event of each such defect. It affects no verdict.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bundle.archive import Bundle
from edge.bundle.certificate import CERTIFICATE, check_certificate
from edge.bundle.manifest import KindManifest, Manifest
from edge.errors import BundleError
from edge.files import read_regular_file
from edge.validation_messages import describe

MAX_GUIDANCE_CHARS = 1000
"""Most characters of the guidance of one kind in a manifest. An event has the first 400."""

_MAX_BYTES = 4 << 20
# What ``Line`` of the manifest refuses: control characters, and marks of the writing direction.
_NO_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class GuidanceText(BaseModel):
    """The present guidance for one kind. version: counts the changes of the kind's text, from 1."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: str = Field(min_length=1, max_length=1000)
    version: int = Field(ge=1)
    text: str = Field(min_length=1, max_length=10_000)

    @property
    def line(self) -> str:
        """The text as one line of a manifest, with its version at the end. A long text is cut."""
        end = f" (version {self.version})"
        lines = [" ".join(_NO_LINE.sub(" ", each).split()) for each in self.text.splitlines()]
        text = " · ".join(each for each in lines if each)
        most = MAX_GUIDANCE_CHARS - len(end)
        return (text if len(text) <= most else f"{text[: most - 1]}…") + end


class GuidanceFile(BaseModel):
    """The content of a guidance file. utc: time of the export, RFC 3339."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["outfeed.guidance/1"] = "outfeed.guidance/1"
    utc: str
    kinds: tuple[GuidanceText, ...]

    def apply(self, kinds: tuple[KindManifest, ...]) -> tuple[KindManifest, ...]:
        """Return the kinds with this guidance. Kinds without any here keep theirs."""
        lines = {each.kind: each.line for each in self.kinds}
        return tuple(
            each.model_copy(update={"guidance": lines.get(each.name, each.guidance)})
            for each in kinds
        )


def read_guidance_file(path: Path) -> GuidanceFile:
    """Return the content of a guidance file. Raises BundleError, one line with the file."""
    try:
        data = read_regular_file(path, _MAX_BYTES)
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise BundleError(f"{path}: has more than {_MAX_BYTES >> 20} MiB")
    try:
        return GuidanceFile.model_validate_json(data)
    except ValidationError as error:
        raise BundleError(f"{path}: is no guidance of Outfeed: {describe(error)}") from error


def replace_guidance(bundle: Bundle, guidance: GuidanceFile) -> tuple[Manifest, dict[str, bytes]]:
    """Return manifest and files of a bundle with this guidance, for ``pack``.

    The certificate names the kinds with their guidance, so its text changes too. Raises BundleError
    where the bundle has a certificate of another bundle.
    """
    manifest = bundle.manifest.model_copy(update={"kinds": guidance.apply(bundle.manifest.kinds)})
    files = dict(bundle.files)
    if CERTIFICATE in files:
        certificate = check_certificate(bundle.manifest, files)
        subject = certificate.subject.model_copy(update={"kinds": manifest.kinds})
        changed = certificate.model_copy(update={"subject": subject})
        files[CERTIFICATE] = changed.model_dump_json(indent=2).encode()
    return manifest, files
