"""The section [engine] of station.toml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from edge.config.section import ConfigSection, unit

STRIPES_FROM_PX = 3_000_000
"""The pixels from which a frame is inspected in stripes, unless configured otherwise."""


class EngineConfig(ConfigSection):
    """The inference engine, the build of the bundle that it runs, and its number of cores."""

    kind: Literal["auto", "ort", "litert", "openvino"] = Field(
        default="auto",
        title="Engine",
        description=(
            "auto: the fastest engine that `outfeed bench --select` measured on this machine for "
            "this bundle. Before that, and after a change of machine or bundle, it is ONNX "
            "Runtime, and the log gives the reason. ort: ONNX Runtime. litert: LiteRT. openvino: "
            "OpenVINO."
        ),
    )
    precision: Literal["int8", "float32"] | None = Field(
        default=None,
        title="Precision of the build",
        description=(
            "The precision of the build to run. Without the key it is the first build in the "
            "bundle for this engine."
        ),
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=64,
        title="Cores per inference",
        description=(
            "The most cores that one run of a network may use. So many stripes of a large frame "
            "run at once. Without the key it is the measured number for auto, otherwise 1."
        ),
        json_schema_extra=unit("cores"),
    )
    providers: tuple[Annotated[str, Field(pattern=r"^[A-Za-z]+ExecutionProvider$")], ...] = Field(
        default=(),
        title="Execution providers",
        description=(
            "Execution providers of ONNX Runtime in order of preference, for example "
            "CUDAExecutionProvider before CPUExecutionProvider. Empty: CPUExecutionProvider."
        ),
    )
    stripes: Literal["auto", "require", "off"] = Field(
        default="auto",
        title="Stripes of large frames",
        description=(
            "auto: a frame of stripes_from_px or more is inspected in overlapping stripes, with "
            "the result of one run over the whole frame, as in training. A network that needs the "
            "whole picture at once is run on tiles instead, and the log has the reason where it "
            "learned from pictures that large. require: such a network is refused. off: frames of "
            "3,000,000 pixels or more are cut into tiles, and cells near the edge of a tile see "
            "less of the surface."
        ),
    )
    stripes_from_px: int = Field(
        default=STRIPES_FROM_PX,
        ge=1 << 20,
        le=1 << 30,
        title="Smallest frame in stripes",
        description=(
            "The number of pixels, height times width, from which a frame is inspected in stripes. "
            "The default includes 2048 × 1536."
        ),
        json_schema_extra=unit("pixels"),
    )

    @field_validator("providers", mode="before")
    @classmethod
    def _tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _check_providers(self) -> EngineConfig:
        if self.providers and self.kind not in ("auto", "ort"):
            raise ValueError(f"providers are ONNX Runtime's; kind is {self.kind}")
        return self
