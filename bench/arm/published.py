"""Networks whose times on boards are published, to hold the estimate against.

The figures are of ncnn's benchmark page (benchmark/README.md of Tencent/ncnn, read 2026-11-30), one
thread, the least of 10 or 64 runs. Its networks are the published architectures with weights of 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SIDE = 224


@dataclass(frozen=True, slots=True)
class PublishedTime:
    """A time on a board. core: name in CORES. ghz: its frequency there."""

    network: str
    board: str
    core: str
    ghz: float
    ms: float


PUBLISHED = tuple(
    PublishedTime(network, board, core, ghz, ms)
    for board, core, ghz, times in (
        ("Raspberry Pi 4 B", "a72", 1.8, (123.76, 84.66, 190.80, 157.92)),
        ("Jetson AGX Orin", "a78", 2.2, (19.56, 16.06, 30.93, 55.44)),
    )
    for network, ms in zip(
        ("mobilenet-v1", "mobilenet-v1-int8", "resnet18", "resnet18-int8"), times, strict=True
    )
)


class _Graph:
    """An ncnn graph as it grows: one line for each layer."""

    def __init__(self, int8: bool) -> None:
        self.lines = [f"Input in 0 1 data 0={SIDE} 1={SIDE} 2=3"]
        self.blobs = 1
        self._int8 = int8
        self.channels = 3

    def add(self, kind: str, source: str, target: str, options: str) -> str:
        self.lines.append(f"{kind} {target} 1 1 {source} {target} {options}")
        self.blobs += 1
        return target

    def conv(self, source: str, target: str, out: int, side: int, stride: int, pad: int) -> str:
        weights = self.channels * out * side * side
        options = f"0={out} 1={side} 3={stride} 4={pad} 5=1 6={weights}{' 8=2' * self._int8}"
        self.channels = out
        return self.add("Convolution", source, target, options)

    def depthwise(self, source: str, target: str, stride: int) -> str:
        n = self.channels
        options = f"0={n} 1=3 3={stride} 4=1 5=1 6={9 * n} 7={n}{' 8=1' * self._int8}"
        return self.add("ConvolutionDepthWise", source, target, options)

    def relu(self, source: str) -> str:
        return self.add("ReLU", source, f"{source}-relu", "")

    def split(self, source: str) -> tuple[str, str]:
        first, second = f"{source}-a", f"{source}-b"
        self.lines.append(f"Split {source}-split 1 2 {source} {first} {second}")
        self.blobs += 2
        return first, second

    def total(self, one: str, other: str, target: str) -> str:
        self.lines.append(f"Eltwise {target} 2 1 {one} {other} {target} 0=1 -23301=0")
        self.blobs += 1
        return target

    def end(self, source: str) -> str:
        pooled = self.add("Pooling", source, "mean", "0=1 4=1")
        scores = self.add("InnerProduct", pooled, "scores", f"0=1000 1=1 2={1000 * self.channels}")
        self.add("Softmax", scores, "output", "0=0 1=1")
        return "\n".join(("7767517", f"{len(self.lines)} {self.blobs}", *self.lines, ""))


def graph_of(network: str) -> str:
    """Return the ncnn graph of a network of PUBLISHED. Raises ValueError for another name."""
    name = network.removesuffix("-int8")
    graph = _Graph(network != name)
    if name == "mobilenet-v1":
        return _mobilenet(graph)
    if name == "resnet18":
        return _resnet18(graph)
    raise ValueError(f"{network}: expected one of {', '.join(sorted(networks()))}")


def networks() -> Iterator[str]:
    """Return the name of each network once."""
    yield from dict.fromkeys(each.network for each in PUBLISHED)


def _mobilenet(graph: _Graph) -> str:
    at = graph.relu(graph.conv("data", "conv1", 32, 3, 2, 1))
    plan = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5)
    for number, (out, stride) in enumerate((*plan, (1024, 2), (1024, 1))):
        at = graph.relu(graph.depthwise(at, f"depthwise{number}", stride))
        at = graph.relu(graph.conv(at, f"pointwise{number}", out, 1, 1, 0))
    return graph.end(at)


def _resnet18(graph: _Graph) -> str:
    at = graph.relu(graph.conv("data", "conv1", 64, 7, 2, 3))
    at = graph.add("Pooling", at, "pool1", "0=0 1=3 2=2")
    for stage, out in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            given = graph.channels
            main, side = graph.split(at)
            if not block:
                side = graph.conv(side, f"{stage}-side", out, 1, stride, 0)
                graph.channels = given
            main = graph.relu(graph.conv(main, f"{stage}-{block}-first", out, 3, stride, 1))
            main = graph.conv(main, f"{stage}-{block}-second", out, 3, 1, 1)
            at = graph.relu(graph.total(main, side, f"{stage}-{block}"))
    return graph.end(at)
