"""Measurement of all candidates in turns, and their comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console

from bench.peers.candidates import REFERENCE, AbsentError, PeerCandidate
from bench.peers.roofline import gmac, product
from bench.runners import PRECISIONS, SIDE_PX
from bench.timing import Call, Spread, Turns, interleave
from edge.bundle.manifest import Precision

BLOCK_MEGAPIXELS = SIDE_PX**2 / 1e6


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one candidate; None where a figure does not exist.

    absent: the reason why it did not run.
    times_faster: ratio of the reference's median to its own.
    gmac_s, share_of_peak: its network's multiply-accumulates, and their share of the peak.
    outside_network: for a chain, the share of its median outside its network.
    ms_per_megapixel, against_block: for a chain on a larger frame, also as ratio to a 256×256
    block.
    """

    name: str
    precision: Precision | None
    mmac: float | None
    frame: tuple[int, int]
    spread: Spread | None = None
    absent: str | None = None
    times_faster: float | None = None
    gmac_s: float | None = None
    share_of_peak: float | None = None
    outside_network: float | None = None
    ms_per_megapixel: float | None = None
    against_block: float | None = None


@dataclass(frozen=True, slots=True)
class PeerResult:
    """The rows in the order of the candidates, and the peaks of the core by precision."""

    rows: tuple[Row, ...]
    peaks_gmac_s: dict[Precision, float]


def select(candidates: Iterable[PeerCandidate], only: list[str]) -> list[PeerCandidate]:
    """Return the candidates whose name contains one of the words, and their references.

    References are the first row, a chain's network and a larger frame's block. Without a word, all
    are returned. Raises ValueError for a word that no name contains.
    """
    selected = list(candidates)
    for word in only:
        if not any(word in each.name for each in selected):
            names = "; ".join(each.name for each in selected)
            raise ValueError(f"--only {word}: expected a part of one of these: {names}")
    wanted = {each.name for each in selected if not only or any(word in each.name for word in only)}
    for each in selected:
        if each.name in wanted:
            wanted |= {REFERENCE} | {name for name in (each.network, each.base) if name}
    return [each for each in selected if each.name in wanted]


def measure(candidates: list[PeerCandidate], turns: Turns) -> PeerResult:
    """Measure the candidates. A candidate that cannot run is a row with the reason. Blocks."""
    absent: dict[str, str] = {}
    calls: dict[str, Call] = {f"peak {each}": product(each) for each in PRECISIONS}
    console = Console(stderr=True)
    with console.status("preparing") as status:
        for each in candidates:
            status.update(f"preparing {each.name}")
            try:
                calls[each.name] = each.prepare()
            except AbsentError as error:
                absent[each.name] = str(error)
    spreads = {name: Spread.of(times) for name, times in interleave(calls, turns).items()}
    peaks = {each: gmac(each) / spreads.pop(f"peak {each}").median_ms * 1e3 for each in PRECISIONS}
    return PeerResult(tuple(row(each, spreads, absent, peaks) for each in candidates), peaks)


def row(
    candidate: PeerCandidate,
    spreads: dict[str, Spread],
    absent: dict[str, str],
    peaks: dict[Precision, float],
) -> Row:
    """Return one candidate's figures and ratios. spreads: the distributions by name."""
    about = (candidate.name, candidate.precision, candidate.mmac, candidate.frame)
    spread = spreads.get(candidate.name)
    if spread is None:
        return Row(*about, absent=absent[candidate.name])
    median = spread.median_ms
    speed = candidate.mmac / median if candidate.mmac else None  # MMAC a ms are GMAC a s
    peak = peaks.get(candidate.precision) if candidate.precision else None
    network, base = (spreads.get(name or "") for name in (candidate.network, candidate.base))
    per_megapixel = median / (candidate.frame[0] * candidate.frame[1] / 1e6)
    return Row(
        *about,
        spread,
        times_faster=spreads[REFERENCE].median_ms / median,
        gmac_s=speed,
        share_of_peak=speed / peak if speed and peak else None,
        outside_network=1 - network.median_ms / median if network else None,
        ms_per_megapixel=per_megapixel,
        against_block=per_megapixel / (base.median_ms / BLOCK_MEGAPIXELS) if base else None,
    )
