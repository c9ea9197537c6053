"""The processor cores that are emulated, and the least time that a block of instructions takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from bench.arm.instructions import Family, VectorFamily, use_of

VECTOR: frozenset[Family] = frozenset(get_args(VectorFamily))
# Of the two vector pipes of every core here, each has families that the other does not execute.
FIRST_PIPE: tuple[Family, ...] = ("long multiply", "multiply")
SECOND_PIPE: tuple[Family, ...] = ("long add", "shift")


@dataclass(frozen=True, slots=True)
class Ports:
    """The throughput of a core, from Arm's software optimisation guide.

    width: instructions per cycle. integer, loads, stores: of them per cycle. slow: cycles of a
    vector pipe for one instruction of a family, where it is not 1.
    """

    width: int
    integer: int
    loads: int
    stores: int
    slow: Mapping[Family, float] = field(default_factory=dict)

    def cycles(self, words: Iterable[int]) -> float:
        """Return the least number of cycles for a block that repeats, with every operand ready."""
        count: Counter[Family] = Counter()
        instructions = 0
        for word in words:
            family, accesses = use_of(word)
            count[family] += accesses
            instructions += 1
        pipe = {each: count[each] * self.slow.get(each, 1.0) for each in VECTOR}
        return max(
            instructions / self.width,
            count["integer"] / self.integer,
            count["branch"],
            (count["load"] + count["vector load"]) / self.loads,
            (count["store"] + count["vector store"]) / self.stores,
            sum(pipe[each] for each in FIRST_PIPE),
            sum(pipe[each] for each in SECOND_PIPE),
            sum(pipe.values()) / 2,
        )


@dataclass(frozen=True, slots=True)
class Core:
    """A kind of core.

    cpu: of QEMU. part: of the main ID register, by which libraries choose their kernels. features:
    the words of /proc/cpuinfo. ports: None for a core of another instruction set, whose
    instructions are counted without their families.
    """

    name: str
    title: str
    cpu: str
    part: int
    features: str
    ports: Ports | None


_BASE = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_V82 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
    "asimddp"
)
# Arm's Software Optimization Guides of the Cortex-A72, A76 and A78 and of the Neoverse N2, sections
# "Dispatch constraints" and "ASIMD instructions".
_A72 = Ports(
    width=3,
    integer=2,
    loads=1,
    stores=1,
    # The pipes are 64 bits wide for floating point, so that a 128-bit FMLA takes both.
    slow={"multiply": 2.0, "float multiply": 2.0},
)
_A76 = Ports(
    width=4,
    integer=3,
    loads=2,
    stores=1,
)
_N2 = Ports(
    width=5,
    integer=4,
    loads=2,
    stores=2,
)
CORES: dict[str, Core] = {
    core.name: core
    for core in (
        Core("a72", "Cortex-A72", "cortex-a72", 0xD08, _BASE, _A72),
        Core("a76", "Cortex-A76", "cortex-a76", 0xD0B, _V82, _A76),
        # QEMU has no A78; its instruction set is that of the A76, and libraries see its number.
        Core("a78", "Cortex-A78AE", "cortex-a76", 0xD42, _V82, _A76),
        # QEMU 7.2 has no core with i8mm but `max`. SVE is left out, which no station has.
        Core(
            "i8mm",
            "Neoverse N2 without SVE",
            "max,sve=off,sme=off",
            0xD49,
            f"{_V82} i8mm bf16",
            _N2,
        ),
        # QEMU 7.2 has AVX2 but neither AVX-VNNI nor AVX-512.
        Core("avx2", "x86-64 with AVX2", "max", 0, "", None),
    )
}
