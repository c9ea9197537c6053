"""The reach of a network: the pixels of the frame on which one element of a tensor depends.

Element j of an axis depends on the pixels j · step - before … j · step + after of that axis. The
formulas are those of the receptive field of a convolution: Araujo, Norris and Sim 2019, "Computing
receptive fields of convolutional neural networks", https://distill.pub/2019/computing-receptive-fields.

A run over a part of the frame fills the elements beyond its edge with padding, where a run over the
whole frame has values. Such an element must not have a reach that lies inside the part. Then an
element whose reach lies inside the part is equal in both runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor, lcm

from edge.errors import BundleError


class NotLocalError(BundleError):
    """A network whose cells depend on the whole picture, as far as its graph shows. One line."""


@dataclass(frozen=True, slots=True)
class AxisReach:
    """The reach of the elements along one axis of a tensor, rows or columns.

    step: pixels from one element to the next. before, after: reach in pixels; see the head of the
    module. extra: the tensor has (pixels / step) + extra elements. align: a part of a frame must
    begin at a multiple of so many pixels, and be as long as one.
    """

    step: Fraction = Fraction(1)
    before: Fraction = Fraction(0)
    after: Fraction = Fraction(0)
    extra: int = 0
    align: int = 1

    def windowed(
        self, kernel: int, stride: int = 1, dilation: int = 1, pads: tuple[int, int] = (0, 0)
    ) -> AxisReach:
        """Return the reach behind a convolution or a pooling. pads: before and after the axis."""
        if pads != (0, 0):
            self._require_outer()
        span = (kernel - 1) * dilation
        step = self.step * stride
        return AxisReach(
            step,
            self.before + pads[0] * self.step,
            self.after + (span - pads[0]) * self.step,
            floor(Fraction(self.extra + sum(pads) - span - 1, stride)) + 1,
            lcm(self.align, step.numerator),
        )

    def padded(self, pads: tuple[int, int], *, constant: bool) -> AxisReach:
        """Return the reach behind a padding. constant: with a value, and not with the picture."""
        if pads == (0, 0):
            return self
        self._require_outer()
        seen = -pads[0] if constant else pads[0] + pads[1]
        return replace(
            self,
            before=self.before + (pads[0] if constant else sum(pads)) * self.step,
            after=self.after + seen * self.step,
            extra=self.extra + sum(pads),
        )

    def enlarged(self, factor: int, *, linear: bool = False) -> AxisReach:
        """Return the reach behind an enlargement by a factor, nearest or linear between centres."""
        step = self.step / factor
        if linear:
            self._require_outer()
            before, after = self.before + self.step, self.after + self.step
        else:
            before, after = self.before + step * (factor - 1), self.after
        return AxisReach(step, before, after, self.extra * factor, self.align)

    def reduced(self, factor: int) -> AxisReach:
        """Return the reach where every ``factor`` elements become one that depends on them."""
        return self.windowed(factor, factor)

    def joined(self, other: AxisReach) -> AxisReach:
        """Return the reach of elements that depend on both. Raises NotLocalError."""
        if (self.step, self.extra) != (other.step, other.extra):
            raise NotLocalError("tensors of unequal size are joined")
        return AxisReach(
            self.step,
            max(self.before, other.before),
            max(self.after, other.after),
            self.extra,
            lcm(self.align, other.align),
        )

    def _require_outer(self) -> None:
        """Raise NotLocalError where an element beyond the edge may have a reach inside the part."""
        if self.before < 0 or self.extra * self.step + self.after < 0:
            raise NotLocalError("the picture is padded after it was cut")


@dataclass(frozen=True, slots=True)
class PlaneReach:
    """The reach of a tensor that has rows and columns.

    axes: the dimensions of the rows and of the columns, counted from the last one, which is -1.
    """

    axes: tuple[int, int]
    rows: AxisReach
    cols: AxisReach

    @property
    def sides(self) -> tuple[AxisReach, AxisReach]:
        return self.rows, self.cols

    def joined(self, other: PlaneReach) -> PlaneReach:
        """Return the reach of elements that depend on both. Raises NotLocalError."""
        if self.axes != other.axes:
            raise NotLocalError("rows and columns are joined")
        return PlaneReach(self.axes, self.rows.joined(other.rows), self.cols.joined(other.cols))


def joined(planes: Iterable[PlaneReach]) -> PlaneReach:
    """Return the reach of elements that depend on all planes, of which there is one at least."""
    first, *others = planes
    for other in others:
        first = first.joined(other)
    return first


@dataclass(frozen=True, slots=True)
class CellReach:
    """The reach of the cells of a severity map along one axis.

    Cell j depends on the pixels j · stride_px - before_px … (j + 1) · stride_px + after_px - 1. A
    part of the frame must begin at a multiple of align_px, which its length must be too.
    """

    stride_px: int
    before_px: int
    after_px: int
    align_px: int

    @property
    def shortest_px(self) -> int:
        """The length of a part of a frame below which hardly a cell has its whole reach in it."""
        return self.before_px + self.after_px + 2 * self.align_px


def cell_reach(axis: AxisReach, stride_px: int) -> CellReach:
    """Return the reach of the cells of an output. Raises NotLocalError for another stride."""
    if axis.step != stride_px or axis.extra:
        raise NotLocalError(f"its output has {axis.step} px a cell; expected {stride_px}")
    before, after = axis.before, axis.after + 1 - axis.step
    return CellReach(stride_px, max(0, -floor(-before)), max(0, -floor(-after)), axis.align)
