"""The search for a way to quantise that misses no defect.

Each way runs through the whole chain on annotated parts. The measure is the number of parts that
float rejects and int8 passes. Where no way is within the limits, the layers with the largest error
stay in float, one after the other, until the limits are names.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx
from pydantic import TypeAdapter

from export.chains import Examines
from export.kept_steps import NOTHING_KEPT, KeptSteps
from export.parity import Parity, ParityLimits, compare, faults
from export.quantisation.layers import rank_layers
from export.quantisation.quantise import CALIBRATIONS, Quantiser, Scheme

log = logging.getLogger(__name__)

MOST_STEPS = 6  # steps; with more layers in float, int8 has no advantage
# Of the frames. A way that rejects so many more good parts than another misses fewer defects only
# because it rejects nearly everything.
MOST_MORE_REJECTS = 0.05
SCHEMES = tuple(
    Scheme(calibration, per_channel)
    for per_channel in (True, False)
    for calibration in CALIBRATIONS
)

Frames = Callable[[], Iterable[tuple[str, npt.NDArray[np.uint8], bool]]]


@dataclass(frozen=True, slots=True)
class Tried:
    """One way to quantise and its result. fault: the limits that it exceeds; "" where none is."""

    network: str
    scheme: Scheme
    parity: Parity
    fault: str

    def __str__(self) -> str:
        text = f"{self.network}, {describe(self.scheme)}: {self.parity}"
        return f"{text}: {self.fault}" if self.fault else text


_FIGURES = TypeAdapter(tuple[Parity, ...])  # the form in which a comparison is kept


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search: the best way, its network, and all ways that were tried."""

    scheme: Scheme
    model: onnx.ModelProto
    tried: tuple[Tried, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """The comparison in which ways to quantise are measured.

    Attributes:
        reference: the chain in float.
        frames: returns the frames again on each call: name, pixels, true for a defective part.
        threshold: T.
        limits: the parity limits.
        total: number of frames, where it is known.
        steps: keep each result. Reference, frames, T and limits are among its inputs.
        beside: what the chains consist of beside the network that is tried.
    """

    reference: Examines
    frames: Frames
    threshold: float
    limits: ParityLimits
    total: int | None = None
    steps: KeptSteps = NOTHING_KEPT
    beside: tuple[bytes, ...] = ()

    def judge(
        self, network: str, chains: Mapping[Scheme, Examines], files: Sequence[bytes] = ()
    ) -> list[Tried]:
        """Compare chains with the reference. Blocks for all chains over all frames.

        files: the networks that are tried, in the order of the chains; needed where results are
        kept.
        """
        given = (network, tuple(chains), *files, *self.beside)
        figures = self.steps.of(
            f"tried-{network.replace(' ', '-')}", given, _FIGURES, lambda: self._figures(chains)
        )
        tried = []
        for scheme, parity in zip(chains, figures, strict=True):
            fault = "; ".join(faults(parity, self.limits, proven=True))
            tried.append(Tried(network, scheme, parity, fault))
            log.info("tried %s", tried[-1])
        return tried

    def _figures(self, chains: Mapping[Scheme, Examines]) -> tuple[Parity, ...]:
        found = compare(self.reference, chains, self.frames(), self.threshold, self.total)
        return tuple(found[scheme] for scheme in chains)


def search(
    network: str,
    quantiser: Quantiser,
    chain: Callable[[onnx.ModelProto], Examines],
    trial: Trial,
    *,
    schemes: Sequence[Scheme] = SCHEMES,
    error: Callable[[onnx.ModelProto], float] | None = None,
) -> SearchResult:
    """Return the best way to quantise (see ``pick``). Blocks for the trials.

    Where no way is within the limits, the result exceeds them, and the certificate may refuse it.

    chain: returns the chain with a quantised network. error: returns the mean squared error of a
    quantised network in severity, on a few frames. With it, layers may stay in float where no other
    way is within the limits.
    """
    models = {scheme: quantiser.quantise(scheme) for scheme in schemes}
    tried = trial.judge(
        network,
        {scheme: chain(model) for scheme, model in models.items()},
        [model.SerializeToString(deterministic=True) for model in models.values()],
    )
    best = pick(tried)
    if best.fault and error is not None:
        for names in _growing(
            relief.layers for relief in rank_layers(quantiser, best.scheme, error)
        ):
            scheme = replace(best.scheme, keep_float=names)
            models[scheme] = quantiser.quantise(scheme)
            data = models[scheme].SerializeToString(deterministic=True)
            tried += trial.judge(network, {scheme: chain(models[scheme])}, [data])
            if not tried[-1].fault:
                break
        best = pick(tried)
    return SearchResult(best.scheme, models[best.scheme], tuple(tried))


def pick(tried: Sequence[Tried]) -> Tried:
    """Return the best of the ways within the limits, or of all where none is.

    A way that rejects many more good parts than another is left out (MOST_MORE_REJECTS). Ways
    whose number of missed parts is not clearly above the smallest number are equal: the spread of a
    count is its square root. Among them, the smallest error in severity is best, with that of the
    part's score added, then the fewest layers in float.
    """
    fine = [each for each in tried if not each.fault] or list(tried)
    least = min(each.parity.new_rejects for each in fine)
    fine = [
        each
        for each in fine
        if each.parity.new_rejects <= least + 1 + MOST_MORE_REJECTS * each.parity.frames
    ]
    fewest = min(each.parity.missed for each in fine)
    alike = [each for each in fine if each.parity.missed <= fewest + 1 + math.sqrt(fewest)]
    return min(
        alike,
        key=lambda t: (
            round(t.parity.severity_error_mean + t.parity.part_error_mean, 4),
            len(t.scheme.keep_float),
        ),
    )


def _growing(groups: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Yield the layers of the first group, of the first two, and so on, MOST_STEPS at most."""
    names: tuple[str, ...] = ()
    steps = 0
    for group in groups:
        grown = tuple(dict.fromkeys([*names, *group]))
        if grown != names and steps < MOST_STEPS:
            names, steps = grown, steps + 1
            yield names


def describe(scheme: Scheme) -> str:
    """Return text such as "percentile, per channel, in float: node_conv2d_3"."""
    words = [scheme.calibration, "per channel" if scheme.per_channel else "per tensor"]
    if not scheme.corrected:
        words.append("biases as they are")
    if scheme.keep_float:
        words.append(f"in float: {', '.join(scheme.keep_float)}")
    return ", ".join(words)
