"""Counted instructions: families of A64, the least number of cycles, traces, and the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.arm.cores import CORES
from bench.arm.figures import figures_of, read_figures, write_figures
from bench.arm.instructions import use_of
from bench.arm.published import PUBLISHED, graph_of, networks
from bench.arm.trace import read_trace
from bench.arm.workloads import Workload

SDOT, SMMLA, SMLAL, ADD, LDR_Q, B = (
    0x4E829420,
    0x4E82A420,
    0x0E628020,
    0x8B020020,
    0x3DC00020,
    0x14000000,
)


@pytest.mark.parametrize(
    ("word", "family", "count"),
    [
        (SDOT, "dot", 1),
        (0x6E829420, "dot", 1),  # udot v0.4s, v1.16b, v2.16b
        (0x4F80E110, "dot", 1),  # sdot v16.4s, v8.16b, v0.4b[0]
        (0x4E829C20, "dot", 1),  # usdot v0.4s, v1.16b, v2.16b
        (SMMLA, "matrix", 1),
        (0x6E82A420, "matrix", 1),  # ummla
        (0x4E82AC20, "matrix", 1),  # usmmla
        (SMLAL, "long multiply", 1),
        (0x4E628020, "long multiply", 1),  # smlal2
        (0x0F422020, "long multiply", 1),  # smlal v0.4s, v1.4h, v2.h[0]
        (0x4E606820, "long add", 1),  # sadalp v0.4s, v1.8h
        (0x4E22CC20, "float multiply", 1),  # fmla v0.4s, v1.4s, v2.4s
        (0x4F821020, "float multiply", 1),  # fmla v0.4s, v1.4s, v2.s[0]
        (0x4E420C20, "half multiply", 1),  # fmla v0.8h, v1.8h, v2.8h
        (0x4EA29C20, "multiply", 1),  # mul v0.4s, v1.4s, v2.4s
        (0x4F3F0420, "shift", 1),  # sshr v0.4s, v1.4s, #1
        (0x4F000400, "vector", 1),  # movi v0.4s, #0
        (0x4EA28420, "vector", 1),  # add v0.4s, v1.4s, v2.4s
        (LDR_Q, "vector load", 1),
        (0xAD400440, "vector load", 2),  # ldp q0, q1, [x2]
        (0x4C402000, "vector load", 4),  # ld1 {v0.16b-v3.16b}, [x0]
        (0x4D40C800, "vector load", 1),  # ld1r {v0.4s}, [x0]
        (0x3D800020, "vector store", 1),  # str q0, [x1]
        (0xF9400020, "load", 1),  # ldr x0, [x1]
        (0xB9800020, "load", 1),  # ldrsw x0, [x1]
        (0xA94007E0, "load", 2),  # ldp x0, x1, [sp]
        (0xF9000020, "store", 1),  # str x0, [x1]
        (ADD, "integer", 1),
        (B, "branch", 1),
        (0xD65F03C0, "branch", 1),  # ret
        (0xB4000000, "branch", 1),  # cbz
    ],
)
def test_the_family_of_an_instruction(word: int, family: str, count: int) -> None:
    assert use_of(word) == (family, count)


def test_the_least_cycles_are_those_of_the_busiest_part_of_the_core() -> None:
    a72, a76 = CORES["a72"].ports, CORES["a76"].ports
    assert a76.cycles([SDOT] * 8) == 4  # two pipes
    assert a72.cycles([SMLAL] * 8) == a76.cycles([SMLAL] * 8) == 8  # one pipe multiplies integers
    assert a72.cycles([LDR_Q] * 8) == 8
    assert a76.cycles([LDR_Q] * 8) == 4
    assert a76.cycles([SDOT] * 8 + [LDR_Q] * 4 + [ADD] * 12) == 6  # 24 instructions, 4 a cycle


def _trace(path: Path) -> Path:
    """Write the trace of three frames, the second of which takes one block more."""
    little = SDOT.to_bytes(4, "little").hex(), B.to_bytes(4, "little").hex()
    lines = [f"B 7 1000 {little[0]} {little[0]} {little[1]}", f"B 8 2000 {little[1]}", "M 0 99"]
    lines += ["M 1 1", "C 8 1"]
    for more in (0, 1, 0):
        lines += ["M 0 5", f"M 2 {31 + more}", "C 7 10", f"C 8 {1 + more}"]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_middle_of_the_frames_counts_without_the_mark_itself(tmp_path: Path) -> None:
    trace = read_trace(_trace(tmp_path / "trace"))
    (figures,) = figures_of(trace, [Workload("nano", "network", "ort", mmac=18.0)], CORES["a76"])
    assert (figures.instructions, figures.spread) == (30, 1 / 32)
    assert figures.families == {"dot": 20, "branch": 11}
    assert figures.cycles == 10  # of each block of three instructions one cycle
    write_figures(tmp_path / "figures.jsonl", [figures])
    assert read_figures(tmp_path / "figures.jsonl") == [figures]


def test_a_workload_that_was_not_counted_is_named(tmp_path: Path) -> None:
    trace = read_trace(_trace(tmp_path / "trace"))
    some = [Workload("nano", "network", "ort"), Workload("lean", "network", "ort")]
    with pytest.raises(ValueError, match="lean: was not counted"):
        figures_of(trace, some, CORES["a76"])


def test_another_file_is_no_trace(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("X 1 2\n")
    with pytest.raises(ValueError, match="'X': expected B, M or C"):
        read_trace(tmp_path / "other")


@pytest.mark.parametrize("network", sorted(networks()))
def test_a_published_network_is_a_whole_graph(network: str) -> None:
    _, sizes, *layers = graph_of(network).splitlines()
    count, blobs = map(int, sizes.split())
    given = {"data"}
    for line in layers:
        kind, _, inputs, outputs, *rest = line.split()
        names = rest[: int(inputs) + int(outputs)]
        if kind != "Input":
            assert set(names[: int(inputs)]) <= given
        given.update(names[int(inputs) :])
    assert (len(layers), len(given)) == (count, blobs)
    assert ("8=2" in graph_of(network)) == network.endswith("int8")
    assert {each.board for each in PUBLISHED if each.network == network}
