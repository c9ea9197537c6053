"""The settings of an export."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from edge.bundle.guidance import GuidanceFile
from edge.bundle.manifest import Format, Precision
from edge.bundle.version import VERSION_PATTERN
from edge.errors import UsageError
from export.parity import ParityLimits

WithFloat = Literal["auto", "always", "never"]
LEAST_SIDE_PX = 16


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The settings of an export. Raises UsageError, one line, for a value that cannot be used.

    Attributes:
        name: name of the bundle: lower-case letters, digits, "-" and "_". "" derives it from the
            name of the run's folder.
        version: version of the bundle: dotted numbers and an optional label, for instance "1.4".
        height: static height of the network's input in pixels, 16 or more. None uses the most
            frequent frame size.
        width: static width, as ``height``.
        precision: "int8", or "float32" for the float network alone.
        formats: the formats to pack, "onnx" and "tflite". The bundle's metrics come from the first.
        calibration_frames: number of training pictures that calibrate int8, 2 or more.
        search_parts: number of training pictures on which ways to quantise are compared.
        keep_float: allow layers in float where int8 alone exceeds a parity limit.
        with_float: pack the float network beside int8: "always", "never", or "auto", which packs
            it where int8 is not faster on this machine.
        max_false_rejects: choose the limit that decides (T, or the reject severity) within this
            share of good parts, between 0 and 1. None uses that of the run.
        limits: the parity limits for int8 builds.
        guidance: the guidance of a central system for kinds of defects, in place of that of the
            recipe. None keeps that of the recipe.
    """

    name: str = ""
    version: str = "1"
    height: int | None = None
    width: int | None = None
    precision: Precision = "int8"
    formats: tuple[Format, ...] = ("onnx", "tflite")
    calibration_frames: int = 96
    search_parts: int = 300
    keep_float: bool = True
    with_float: WithFloat = "auto"
    max_false_rejects: float | None = None
    limits: ParityLimits = field(default_factory=ParityLimits)
    guidance: GuidanceFile | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_version(self.version)
        _check_shape(self.height, self.width)
        _check_choice("precision", self.precision, get_args(Precision))
        _check_choice("with_float", self.with_float, get_args(WithFloat))
        _check_formats(self.formats)
        _check_counts(self.calibration_frames, self.search_parts)
        if self.max_false_rejects is not None and not 0 < self.max_false_rejects < 1:
            raise UsageError(
                f"max_false_rejects {self.max_false_rejects:g}: expected more than 0 and less "
                "than 1"
            )
        _check_limits(self.limits)


def _check_name(name: str) -> None:
    if re.fullmatch(r"([a-z0-9][a-z0-9_-]*)?", name) is None:
        raise UsageError(
            f"name {name}: expected lower-case letters, digits, - and _, for instance line-3"
        )


def _check_version(version: str) -> None:
    if re.fullmatch(VERSION_PATTERN, version) is None:
        raise UsageError(
            f"version {version}: expected dotted numbers and an optional label, for instance 1.4 "
            "or 1.4+trial"
        )


def _check_shape(height: int | None, width: int | None) -> None:
    for side in (height, width):
        if side is not None and side < LEAST_SIDE_PX:
            raise UsageError(
                f"shape {height}x{width}: expected HEIGHTxWIDTH of {LEAST_SIDE_PX} px or more, "
                "for instance 256x256"
            )


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{name} {value}: expected {', '.join(known)}")


def _check_formats(formats: tuple[str, ...]) -> None:
    if not formats or not set(formats) <= set(get_args(Format)) or len(set(formats)) < len(formats):
        raise UsageError(
            f"formats {','.join(formats)}: expected onnx, tflite, or both with a comma between them"
        )


def _check_counts(calibration_frames: int, search_parts: int) -> None:
    if calibration_frames < 2:
        raise UsageError(f"calibration_frames {calibration_frames}: expected 2 or more")
    if search_parts < 1:
        raise UsageError(f"search_parts {search_parts}: expected 1 or more")


def _check_limits(limits: ParityLimits) -> None:
    for name in ("mask_iou", "regions", "kinds", "verdict_agreement", "missed"):
        value = getattr(limits, name)
        if not 0 <= value <= 1:
            raise UsageError(f"{name} {value:g}: expected a share from 0 to 1")
    if not limits.severity_error_p99 >= 0:
        raise UsageError(f"severity_error_p99 {limits.severity_error_p99:g}: expected 0 or more")
