"""The output of the plugin count.c: which blocks of instructions ran between two marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.arm.cores import Ports
from bench.arm.instructions import Family, use_of

Words = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """The blocks that ran from one mark to the next.

    mark: the number of the mark at the end. total: instructions. runs: how often each block ran, by
    its number.
    """

    mark: int
    total: int
    runs: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole run. blocks: the instructions of each block, by its number."""

    blocks: Mapping[int, Words]
    spans: tuple[Span, ...]

    def families(self, span: Span) -> Counter[Family]:
        """Return the number of instructions of each family."""
        count: Counter[Family] = Counter()
        for block, runs in span.runs.items():
            for word in self.blocks[block]:
                count[use_of(word)[0]] += runs
        return count

    def cycles(self, span: Span, ports: Ports) -> float:
        """Return the least number of cycles, each block for itself."""
        return sum(runs * ports.cycles(self.blocks[block]) for block, runs in span.runs.items())


def read_trace(path: Path) -> Trace:
    """Return the output of the plugin for an A64 guest. Raises ValueError for another file."""
    blocks: dict[int, Words] = {}
    spans: list[Span] = []
    runs: dict[int, int] = {}
    with path.open(encoding="ascii") as lines:
        for line in lines:
            kind, *fields = line.split()
            if kind == "B":
                blocks[int(fields[0])] = tuple(_words(fields[2:]))
            elif kind == "M":
                runs = {}
                spans.append(Span(int(fields[0]), int(fields[1]), runs))
            elif kind == "C":
                runs[int(fields[0])] = int(fields[1])
            else:
                raise ValueError(f"{path}: {kind!r}: expected B, M or C")
    return Trace(blocks, tuple(spans))


def _words(fields: list[str]) -> Iterator[int]:
    for text in fields:
        yield int.from_bytes(bytes.fromhex(text), "little")
