"""The search for a way to quantise that loses no defect.

Ways are tried on annotated parts through the whole chain, and judged by what a line loses: parts
that float rejects and int8 passes. Where no way without float layers keeps the limits, the layers
that suffer most stay in float, one after the other, until one does.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx

from export.chains import Examines
from export.parity import Parity, ParityLimits, compare, faults
from export.quantisation.layers import rank_layers
from export.quantisation.quantise import CALIBRATIONS, Quantiser, Scheme

log = logging.getLogger(__name__)

MOST_KEPT = 6  # steps of keeping layers; beyond, a network had better stay in float
SCHEMES = tuple(
    Scheme(calibration, per_channel)
    for per_channel in (True, False)
    for calibration in CALIBRATIONS
)

Frames = Callable[[], Iterable[tuple[str, npt.NDArray[np.uint8], bool]]]


@dataclass(frozen=True, slots=True)
class Tried:
    """One way and what came of it. fault: why it will not do; '' where it will."""

    network: str
    scheme: Scheme
    parity: Parity
    fault: str

    def __str__(self) -> str:
        said = f"{self.network}, {describe(self.scheme)}: {self.parity}"
        return f"{said}: {self.fault}" if self.fault else said


@dataclass(frozen=True, slots=True)
class Found:
    """The way taken, its network, and all that were tried on the way to it."""

    scheme: Scheme
    model: onnx.ModelProto
    tried: tuple[Tried, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a way is judged by. reference: the chain in float. frames: of the parts, anew at each
    call: name, pixels, whether the part is defective. total: how many, where that is known."""

    reference: Examines
    frames: Frames
    threshold: float
    limits: ParityLimits
    total: int | None = None

    def judge(self, network: str, chains: Mapping[Scheme, Examines]) -> list[Tried]:
        """Blocks for all chains over all frames."""
        tried = []
        for scheme, parity in compare(
            self.reference, chains, self.frames(), self.threshold, self.total
        ).items():
            fault = "; ".join(faults(parity, self.limits, proven=True))
            tried.append(Tried(network, scheme, parity, fault))
            log.info("tried %s", tried[-1])
        return tried


def search(
    network: str,
    quantiser: Quantiser,
    chain: Callable[[onnx.ModelProto], Examines],
    trial: Trial,
    *,
    schemes: Sequence[Scheme] = SCHEMES,
    error: Callable[[onnx.ModelProto], float] | None = None,
) -> Found:
    """The best way (see ``pick``), or the best there is, which the certificate may refuse. Blocks
    for the trials.

    chain: of a quantised network. error: of a quantised network in severity, squared, on a few
    frames; with it, layers are kept in float where nothing else will do.
    """
    models = {scheme: quantiser.quantise(scheme) for scheme in schemes}
    tried = trial.judge(network, {scheme: chain(model) for scheme, model in models.items()})
    best = pick(tried)
    if best.fault and error is not None:
        for kept in _growing(
            relief.layers for relief in rank_layers(quantiser, best.scheme, error)
        ):
            scheme = replace(best.scheme, keep_float=kept)
            models[scheme] = quantiser.quantise(scheme)
            tried += trial.judge(network, {scheme: chain(models[scheme])})
            if not tried[-1].fault:
                break
        best = pick(tried)
    return Found(best.scheme, models[best.scheme], tuple(tried))


def pick(tried: Sequence[Tried]) -> Tried:
    """Of the ways that keep the limits (of all, where none does) those whose missed defects cannot
    be told from the fewest: counts spread as their square roots. Of these the least error in
    severity, and the least kept in float."""
    fine = [each for each in tried if not each.fault] or list(tried)
    fewest = min(each.parity.missed for each in fine)
    alike = [each for each in fine if each.parity.missed <= fewest + 1 + math.sqrt(fewest)]
    return min(
        alike, key=lambda t: (round(t.parity.severity_error_mean, 4), len(t.scheme.keep_float))
    )


def _growing(groups: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The first group, the first two, ...: MOST_KEPT at most."""
    kept: tuple[str, ...] = ()
    steps = 0
    for group in groups:
        grown = tuple(dict.fromkeys([*kept, *group]))
        if grown != kept and steps < MOST_KEPT:
            kept, steps = grown, steps + 1
            yield kept


def describe(scheme: Scheme) -> str:
    """As 'percentile, per channel, in float: node_conv2d_3'."""
    words = [scheme.calibration, "per channel" if scheme.per_channel else "per tensor"]
    if not scheme.corrected:
        words.append("biases as they are")
    if scheme.keep_float:
        words.append(f"in float: {', '.join(scheme.keep_float)}")
    return ", ".join(words)
