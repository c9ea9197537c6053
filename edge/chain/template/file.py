"""The file of a template detector: a JSON header, then planes of bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import BundleError
from edge.validation_messages import describe

MAGIC = b"OUTFEED TEMPLATE 1\n"
MAX_HEADER_BYTES = 4096
MAX_REFERENCES = 16
# For all planes together: 16 references of 640×640 grey are 13 MB, one of 4096×4096 colour 101 MB.
MAX_PLANE_BYTES = 128 * 1024 * 1024
SPREAD_STEP = 1.0 / 8.0  # grey levels of one step of the spread plane


class TemplateHeader(BaseModel):
    """The parameters of the comparison with golden images.

    height, width: size of every frame in pixels. references: number of golden images that follow.
    combine: "best" compares a frame with the golden image that it matches best; "minimum" compares
    it with all and takes the smallest difference.
    registration: False takes every part to lie exactly as in the golden image.
    max_rotation_deg, max_shift_px, max_scale: allowed deviation of a part from its position there.
    min_match: smallest share of edges in place (Pose.match) for a frame of this part.
    illumination: whether light that varies slowly over the part is corrected before the comparison.
    tolerance_px: a pixel is correct between the darkest and the brightest pixel of the golden image
    within this distance. smooth_px: side of the square over which differences are averaged.
    noise: highest noise level of good parts (edge/chain/noise.py). In a frame with more noise,
    differences are reduced by the ratio, at most by noise_limit.
    unit: spreads per unit of severity.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    height: int = Field(ge=32, le=8192)
    width: int = Field(ge=32, le=8192)
    channels: Literal[1, 3]
    references: int = Field(default=1, ge=1, le=MAX_REFERENCES)
    combine: Literal["best", "minimum"] = "best"
    registration: bool = True
    max_rotation_deg: float = Field(ge=0, le=180)
    max_shift_px: float = Field(ge=0, le=4096)
    max_scale: float = Field(ge=0, le=0.2)
    min_match: float = Field(gt=0, lt=1)
    illumination: bool = True
    tolerance_px: int = Field(default=1, ge=0, le=8)
    smooth_px: int = Field(default=3, ge=1, le=31)
    noise: float = Field(default=2.0, ge=0.25, le=255)
    noise_limit: float = Field(default=1.0, ge=1, le=10)
    unit: float = Field(gt=0, le=1e6)

    @property
    def plane_bytes(self) -> int:
        """Size of all references in bytes: their pixels, and one plane of spread each."""
        return self.references * self.height * self.width * (self.channels + 1)


@dataclass(frozen=True, slots=True)
class TemplateReference:
    """A golden image with the spread of good parts.

    pixels: uint8 H×W or H×W×3 (BGR). spread: uint8 H×W, above 0, in steps of SPREAD_STEP grey
    levels.
    """

    pixels: NDArray[np.uint8]
    spread: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """The content of a template file."""

    header: TemplateHeader
    references: tuple[TemplateReference, ...]

    def pack(self) -> bytes:
        """Return the file as bytes. The same content gives the same bytes."""
        text = self.header.model_dump_json().encode()
        planes = b"".join(r.pixels.tobytes() + r.spread.tobytes() for r in self.references)
        return MAGIC + struct.pack("<I", len(text)) + text + planes


def parse_template(data: bytes) -> TemplateFile:
    """Parse a template file; its planes are views of ``data``.

    Raises BundleError, one line, for anything that ``pack`` does not write. Every length and shape
    is checked before use.
    """
    start = len(MAGIC) + 4
    if not data.startswith(MAGIC) or len(data) < start:
        raise BundleError("the template file does not begin with its mark")
    (length,) = struct.unpack_from("<I", data, len(MAGIC))
    if length > MAX_HEADER_BYTES or start + length > len(data):
        raise BundleError(f"the header of the template has {length} bytes; expected fewer")
    try:
        header = TemplateHeader.model_validate_json(data[start : start + length])
    except ValidationError as error:
        raise BundleError(f"the header of the template: {describe(error)}") from error
    if header.plane_bytes > MAX_PLANE_BYTES:
        raise BundleError(f"the planes of the template have more than {MAX_PLANE_BYTES} bytes")
    planes = np.frombuffer(data, np.uint8, offset=start + length)
    if planes.size != header.plane_bytes:
        raise BundleError(
            f"the planes of the template have {planes.size} bytes; expected {header.plane_bytes}"
        )
    height, width, channels = header.height, header.width, header.channels
    shape = (height, width) if channels == 1 else (height, width, channels)
    references = []
    for each in planes.reshape(header.references, -1):
        pixels, spread = np.split(each, [height * width * channels])
        if not spread.all():
            raise BundleError("the template has a spread of 0; expected above 0 everywhere")
        references.append(TemplateReference(pixels.reshape(shape), spread.reshape(height, width)))
    return TemplateFile(header, tuple(references))
