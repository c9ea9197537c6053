"""The file of a threshold detector: its parameters as one JSON object."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from edge.errors import BundleError
from edge.validation_messages import describe

MAX_BYTES = 4096


def _odd(side_px: int) -> int:
    if side_px % 2 == 0:
        raise ValueError("expected an odd number")
    return side_px


Side = Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)]


class ThresholdFile(BaseModel):
    """The parameters of a threshold detector for a plain surface: fabric, paper, metal.

    channel: for colour frames, "grey" or the largest of the three channels ("value" of HSV).
    denoise: Gaussian or median over denoise_px, or non-local means (Buades, Coll & Morel 2005) with
    nlmeans_strength.
    level: "local" takes the distance from the mean or median (background) within window_px. "otsu"
    divides the frame into two classes of brightness and takes the distance of the smaller class
    from the mean of the larger one.
    polarity: the side of the background on which a pixel is a defect.
    relative: distances are scaled as if the background had the grey level 128.
    open_px: narrower structures are removed. close_px: after that, narrower gaps are filled. The
    value 1 switches the operation off.
    noise: highest noise level of good parts (edge/chain/noise.py), relative where distances are. In
    a frame with more noise, distances are reduced by the ratio, at most by noise_limit.
    unit: grey levels per unit of severity.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    format: Literal[1] = 1
    channel: Literal["grey", "value"] = "grey"
    denoise: Literal["none", "gaussian", "median", "nlmeans"] = "gaussian"
    denoise_px: Side = 3
    nlmeans_strength: float = Field(default=10.0, gt=0, le=100)
    level: Literal["local", "otsu"] = "local"
    background: Literal["mean", "median"] = "median"
    window_px: Annotated[int, Field(ge=3, le=511), AfterValidator(_odd)] = 63
    polarity: Literal["dark", "bright", "both"] = "both"
    relative: bool = True
    open_px: Side = 1
    close_px: Side = 1
    noise: float = Field(default=2.0, ge=0.25, le=1024)
    noise_limit: float = Field(default=1.0, ge=1, le=10)
    unit: float = Field(default=1.0, gt=0, le=1e6)

    def pack(self) -> bytes:
        return self.model_dump_json().encode() + b"\n"


def parse_threshold(data: bytes) -> ThresholdFile:
    """Parse the file. Raises BundleError, one line that names the key."""
    if len(data) > MAX_BYTES:
        raise BundleError(f"the threshold file has more than {MAX_BYTES} bytes")
    try:
        return ThresholdFile.model_validate_json(data)
    except ValidationError as error:
        raise BundleError(f"the threshold file: {describe(error)}") from error
