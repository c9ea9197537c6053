"""The families of A64 instructions that decide the speed of a network."""

from __future__ import annotations

from functools import cache
from typing import Literal

VectorFamily = Literal[
    "dot",
    "matrix",
    "long multiply",
    "multiply",
    "long add",
    "shift",
    "float multiply",
    "half multiply",
    "vector",
]
Family = VectorFamily | Literal["vector load", "vector store", "load", "store", "integer", "branch"]
Use = tuple[Family, int]  # a family, and the number of 128-bit registers or accesses

# Mask, value and family. Groups and encodings of the Arm Architecture Reference Manual (DDI 0487),
# section C4.1, "A64 instruction set encoding". The first match counts.
_VECTOR: tuple[tuple[int, int, Family], ...] = (
    (0x9FE0FC00, 0x0E809400, "dot"),  # SDOT, UDOT
    (0xBFE0FC00, 0x0E809C00, "dot"),  # USDOT
    (0x9FC0F400, 0x0F80E000, "dot"),  # SDOT, UDOT by element
    (0xBF40F400, 0x0F00F000, "dot"),  # SUDOT, USDOT by element
    (0xDFE0F400, 0x4E80A400, "matrix"),  # SMMLA, UMMLA, USMMLA
    (0x9F20FC00, 0x0E208000, "long multiply"),  # SMLAL, UMLAL
    (0x9F20FC00, 0x0E20A000, "long multiply"),  # SMLSL, UMLSL
    (0x9F20FC00, 0x0E20C000, "long multiply"),  # SMULL, UMULL
    (0x9F20DC00, 0x0E209000, "long multiply"),  # SQDMLAL, SQDMULL
    (0x9F00F400, 0x0F002000, "long multiply"),  # SMLAL by element
    (0x9F00F400, 0x0F006000, "long multiply"),  # SMLSL by element
    (0x9F00F400, 0x0F00A000, "long multiply"),  # SMULL by element
    (0x9F80B400, 0x0F801000, "float multiply"),  # FMLA, FMLS by element
    (0x9F80F400, 0x0F809000, "float multiply"),  # FMUL by element
    (0x9F80B400, 0x0F001000, "half multiply"),
    (0x9F80F400, 0x0F009000, "half multiply"),
    (0x9F000400, 0x0F000000, "multiply"),  # MLA, MUL, SQDMULH and others by element
    (0x9F20FC00, 0x0E20CC00, "float multiply"),  # FMLA, FMLS
    (0xBF20FC00, 0x2E20DC00, "float multiply"),  # FMUL
    (0x9F60FC00, 0x0E400C00, "half multiply"),  # FMLA, FMLS of half precision
    (0xBF60FC00, 0x2E401C00, "half multiply"),  # FMUL of half precision
    (0x9F20FC00, 0x0E209400, "multiply"),  # MLA, MLS
    (0x9F20FC00, 0x0E209C00, "multiply"),  # MUL, PMUL
    (0x9F20FC00, 0x0E20B400, "multiply"),  # SQDMULH, SQRDMULH
    (0x9F3FFC00, 0x0E206800, "long add"),  # SADALP, UADALP
    (0x9F3FFC00, 0x0E202800, "long add"),  # SADDLP, UADDLP
    (0x9F20E400, 0x0E204400, "shift"),  # SSHL, SRSHL and others
)
_REGISTERS = {0b0000: 4, 0b0010: 4, 0b0100: 3, 0b0110: 3, 0b0111: 1, 0b1000: 2, 0b1010: 2}


@cache
def use_of(word: int) -> Use:
    """Return the family of an instruction, and how many registers or accesses it takes."""
    group = word >> 25 & 0xF
    if group & 0b1110 == 0b1010:
        return "branch", 1
    if group & 0b0101 == 0b0100:
        return _access(word)
    if group & 0b0111 == 0b0111:
        return _vector(word), 1
    return "integer", 1


def _vector(word: int) -> Family:
    # Shifts by a constant share their group with the constants that MOVI and FMOV make.
    if word & 0x9F800400 == 0x0F000400 and word >> 19 & 0xF:
        return "shift"
    return next((family for mask, value, family in _VECTOR if word & mask == value), "vector")


def _access(word: int) -> Use:
    vector = bool(word >> 26 & 1)
    if word & 0xBE000000 == 0x0C000000:  # LD1 to LD4, ST1 to ST4 of several registers or a lane
        several = not word >> 24 & 1
        registers = _REGISTERS.get(word >> 12 & 0xF, 1) if several else 1
        return ("vector load" if word >> 22 & 1 else "vector store"), registers
    kind = word >> 27 & 0b111
    if kind == 0b101:  # LDP, STP
        loads = bool(word >> 22 & 1)
        wide = word >> 30 == 0b10 if vector else word >> 31 == 1
        count = 2 if wide else 1
    elif kind == 0b011 and not word >> 24 & 1:
        loads, count = True, 1  # a literal
    elif vector:
        loads, count = bool(word >> 22 & 1), 1
    elif kind == 0b111:
        loads, count = word >> 22 & 0b11 != 0, 1
    else:
        loads, count = bool(word >> 22 & 1), 1
    if vector:
        return ("vector load" if loads else "vector store"), count
    return ("load" if loads else "store"), count
