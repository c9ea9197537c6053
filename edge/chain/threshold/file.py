"""The file of a threshold detector: its parameters, as one strict JSON object."""

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
    """What is a defect on a plain surface: fabric, paper, metal.

    channel, of a frame in colour: "grey", or the largest of the three ("value" of HSV). denoise:
    Gaussian or median over denoise_px, or non-local means (Buades, Coll & Morel 2005) of
    nlmeans_strength. level: a pixel is judged by its distance from the "local" background, the mean
    or median (background) within window_px; or from the larger of two classes of brightness that
    Otsu's threshold makes of the frame, where it is of the smaller one. polarity: which side of the
    background is a defect. relative: by the background's brightness, as if that were 128. open_px:
    what is narrower goes; then close_px: gaps that are narrower are filled; 1 does neither.
    grain: of good parts at the most (edge/chain/noise.py), relative where distances are; a frame of
    more, up to grain_limit times as much, is of a noisier camera and its distances count less by as
    much. unit: grey levels of one severity.
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
    grain: float = Field(default=2.0, ge=0.25, le=1024)
    grain_limit: float = Field(default=1.0, ge=1, le=10)
    unit: float = Field(default=1.0, gt=0, le=1e6)

    def pack(self) -> bytes:
        return self.model_dump_json().encode() + b"\n"


def parse_threshold(data: bytes) -> ThresholdFile:
    """Raises BundleError, one line that names the key."""
    if len(data) > MAX_BYTES:
        raise BundleError(f"the threshold file is above {MAX_BYTES} bytes")
    try:
        return ThresholdFile.model_validate_json(data)
    except ValidationError as error:
        raise BundleError(f"the threshold file: {describe(error)}") from error
