"""The worker in the environment of the TFLite tool chain: exported programs to TFLite files.

    python -I -W ignore worker.py FOLDER

`export.tflite` runs it in .venv-tflite without this project. -I excludes the folder of
the script, so the worker is one file, because it can import nothing of the
project. toolchain.py writes FOLDER/job.json.
Files and result.json are written beside it. An error ends it with status 1 and one line on stderr.
"""

from __future__ import annotations

import copy
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import litert_torch
import numpy as np
import numpy.typing as npt
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils
from ai_edge_quantizer import quantizer, recipe
from ai_edge_quantizer.qtyping import TFLOperationName

Array = npt.NDArray[Any]
# The operators with weights, and the axis of their output channels.
WEIGHTED = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
MOVES = ("RESHAPE", "TRANSPOSE")  # operators that do not change values
OPERATORS: dict[int, str] = {v: k for k, v in vars(schema.BuiltinOperator).items()}
TYPES: dict[int, str] = {v: k for k, v in vars(schema.TensorType).items()}
PIXELS, OUTPUT = "pixels", "output"
BINS = 4096  # of the histogram for percentiles
# The bias of a channel with very small weights overflows at their scale, and the quantiser writes
# it with the wrong sign. Half of the range of int32 is free for the bias correction.
BIAS_LIMIT = 2.0**30


class JobError(Exception):
    """The job cannot be done. The message is one line for a user."""


class Model:
    """A TFLite file as objects: one graph with its tensors and operators."""

    def __init__(self, data: bytes) -> None:
        self.model = flatbuffer_utils.read_model_from_bytearray(bytearray(data))
        if len(self.model.subgraphs) != 1:
            raise JobError(f"the converter made {len(self.model.subgraphs)} graphs; expected one")
        self.graph = self.model.subgraphs[0]

    def kind(self, operator: Any) -> str:
        code = self.model.operatorCodes[operator.opcodeIndex]
        return OPERATORS[flatbuffer_utils.get_builtin_code_from_operator_code(code)]

    def name(self, tensor: int) -> str:
        return f"{self.graph.tensors[tensor].name.decode()}"

    def weighted(self) -> Iterator[Any]:
        """Return the operators with weights, in order."""
        return (op for op in self.graph.operators if self.kind(op) in WEIGHTED)

    def title(self, operator: Any) -> str:
        """Return the module path of an operator with weights; else the name of its output."""
        weighted = self.kind(operator) in WEIGHTED
        return self.name(operator.inputs[1] if weighted else operator.outputs[0]).removesuffix(
            ".weight"
        )

    def values(self, tensor: int) -> Array | None:
        """Return the values of a constant; None where the tensor is computed."""
        held = self.graph.tensors[tensor]
        data = self.model.buffers[held.buffer].data
        if data is None or not len(data):
            return None
        return np.frombuffer(bytes(data), TYPES[held.type].lower()).reshape(held.shape)

    def store(self, tensor: int, values: Array) -> None:
        """Write new values of the same type and shape into a constant."""
        buffer = self.model.buffers[self.graph.tensors[tensor].buffer]
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)

    def own(self, operator: Any, position: int, name: str) -> None:
        """Name a constant of an operator. A constant with several users is copied first."""
        index = operator.inputs[position]
        users = sum(list(op.inputs).count(index) for op in self.graph.operators)
        shared = [t for t in self.graph.tensors if t.buffer == self.graph.tensors[index].buffer]
        if users > 1 or len(shared) > 1:
            self.graph.tensors.append(copy.copy(self.graph.tensors[index]))
            self.model.buffers.append(copy.copy(self.model.buffers[shared[0].buffer]))
            self.graph.tensors[-1].buffer = len(self.model.buffers) - 1
            index = operator.inputs[position] = len(self.graph.tensors) - 1
        self.graph.tensors[index].name = name.encode()

    def data(self) -> bytes:
        """Return the file with all constants inside; tflite-runtime cannot read them elsewhere."""
        for buffer in self.model.buffers:
            buffer.offset = buffer.size = 0
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self.model))


@dataclass
class CalibrationStatistics:
    """The statistics of a float model over the calibration frames.

    low, high: smallest and largest value of each computed tensor, by its name. means: mean per
    channel of the input of each layer, by the layer's name.
    """

    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    means: dict[str, Array] = field(default_factory=dict)


@cache
def converted(program: Path, layers: tuple[str, ...]) -> bytes:
    """Return the float32 TFLite file of an exported program, with layers named by modules."""
    exported = torch.export.load(program)
    made = litert_torch.convert(exported.module(), exported.example_inputs[0])
    return named(made.model_content(), layers)


def named(data: bytes, layers: tuple[str, ...]) -> bytes:
    """Name tensors by their layer, or by operator and number, and separate shared constants."""
    model = Model(data)
    graph = model.graph
    paths = _layer_paths(model, layers)
    used: Counter[str] = Counter()
    for operator in list(graph.operators):
        kind = model.kind(operator)
        name = paths.get(operator.outputs[0], kind.lower())
        used[name] += 1
        if used[name] > 1 or kind not in WEIGHTED:
            name = f"{name}.{used[name]}"
        for position, part in ((1, "weight"), (2, "bias")) if kind in WEIGHTED else ():
            if position < len(operator.inputs) and operator.inputs[position] >= 0:
                model.own(operator, position, f"{name}.{part}")
        for output in operator.outputs:
            graph.tensors[output].name = name.encode()
    for (end,), fields, name in (
        (graph.inputs, model.model.signatureDefs[0].inputs, PIXELS),
        (graph.outputs, model.model.signatureDefs[0].outputs, OUTPUT),
    ):
        graph.tensors[end].name = fields[0].name = name.encode()
    for number, tensor in enumerate(graph.tensors):
        if b"layer_" in tensor.name or tensor.name.startswith(b"arith"):
            tensor.name = f"constant.{number}".encode()
    return model.data()


def _layer_paths(model: Model, layers: tuple[str, ...]) -> dict[int, str]:
    """Return the module path of each operator with weights, by the tensor of its output.

    The converter keeps the path in the name of the weights, but loses it where it computes new
    weights, as for two outputs of each channel. Such operators get the paths that are left, in
    order.
    """
    marks = {"layer_" + path.replace(".", "/"): path for path in layers}
    found: dict[int, str] = {}
    nameless = []
    for operator in model.weighted():
        parts = re.split(r";\d*", model.name(operator.inputs[1]))
        paths = sorted({marks[part] for part in parts if part in marks})
        if len(paths) > 1:
            kind = model.kind(operator)
            raise JobError(f"{kind} {parts[0]}: belongs to {len(paths)} layers; expected one")
        if paths:
            found[operator.outputs[0]] = paths[0]
        else:
            nameless.append(operator)
    left = [path for path in layers if path not in found.values()]
    if len(left) < len(nameless):
        first = model.name(nameless[0].inputs[1])
        raise JobError(f"{first}: {len(nameless)} operators belong to {len(left)} layers")
    for operator, path in zip(nameless, left, strict=False):
        found[operator.outputs[0]] = path
    return found


@cache
def measured(
    data: bytes, frames: Path, scale: float, zero_point: int, percentile: float | None
) -> CalibrationStatistics:
    """Run the float model over a file of uint8 frames, one batch at a time.

    Only sums and extremes are stored, so the memory does not grow with the number of frames.
    percentile: percentage of each tensor's values inside its range; None includes all.
    """
    model = Model(data)
    inputs = {model.title(op): op.inputs[0] for op in model.weighted()}
    computed = [i for op in model.graph.operators for i in op.outputs] + list(model.graph.inputs)
    statistics, batches = CalibrationStatistics(), 0
    for values in run(data, frames, scale, zero_point):
        batches += 1
        for index in computed:
            name, held = model.name(index), values(index)
            low, high = float(held.min()), float(held.max())
            statistics.low[name] = min(statistics.low.get(name, low), low)
            statistics.high[name] = max(statistics.high.get(name, high), high)
        for layer, index in inputs.items():
            held = values(index)
            mean = held.mean(tuple(range(held.ndim - 1)), dtype=np.float64)
            statistics.means[layer] = statistics.means.get(layer, 0.0) + mean
    if not batches:
        raise JobError("expected at least one calibration frame")
    statistics.means = {layer: total / batches for layer, total in statistics.means.items()}
    if percentile is not None:
        narrow(statistics, model, computed, run(data, frames, scale, zero_point), percentile)
    return statistics


def narrow(
    statistics: CalibrationStatistics,
    model: Model,
    computed: list[int],
    batches: Iterator[Any],
    percentile: float,
) -> None:
    """Narrow the ranges to a percentage of the values; half of the rest is outside at each end."""
    counts = {index: np.zeros(BINS, np.int64) for index in computed}
    for values in batches:
        for index in computed:
            name = model.name(index)
            limits = (statistics.low[name], max(statistics.high[name], statistics.low[name] + 1e-9))
            counts[index] += np.histogram(values(index), BINS, limits)[0]
    for index, count in counts.items():
        name = model.name(index)
        edges = np.linspace(statistics.low[name], statistics.high[name], BINS + 1)
        share = np.cumsum(count) / count.sum()
        tail = (1.0 - percentile / 100.0) / 2
        statistics.low[name] = float(edges[np.searchsorted(share, tail, "right")])
        statistics.high[name] = float(edges[np.searchsorted(share, 1.0 - tail) + 1])


def run(data: bytes, frames: Path, scale: float, zero_point: int) -> Iterator[Any]:
    """Run the model on frames; yield a function from tensor index to values for each batch."""
    interpreter = Interpreter(
        model_content=data, num_threads=1, experimental_preserve_all_tensors=True
    )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    shape = tuple(int(side) for side in source["shape"])
    with frames.open("rb") as file:
        while len(some := np.fromfile(file, np.uint8, int(np.prod(shape)))):
            batch = np.resize(some.reshape(-1, *shape[1:]), shape).astype(np.float32)
            interpreter.set_tensor(source["index"], (batch - zero_point) * np.float32(scale))
            interpreter.invoke()
            yield interpreter.get_tensor


def quantised(data: bytes, ranges: dict[str, tuple[float, float]], keep: list[Any] | None) -> bytes:
    """Return the int8 model: symmetric weights per channel, activations by their ranges.

    ranges: by name of the tensor. keep: operators that stay in float; None keeps all in float and
    quantises the input pixels only.
    """
    model = Model(data)
    made = quantizer.Quantizer(
        bytearray(data), recipe.static_wi8_ai8() if keep is not None else None
    )
    if keep is None:
        made.add_static_config(".*", TFLOperationName.INPUT, 8, 8)
    for operator in keep or ():
        scope = f"^{re.escape(model.name(operator.outputs[0]))};$"
        # The kind is needed: the end of the graph is an operator with the same name.
        kind = TFLOperationName(model.kind(operator))
        made.update_quantization_recipe(scope, kind, algorithm_key="no_quantize")
    # float64, because the scale of the pixels is not exact in float32.
    calibration = {
        name: {"min": np.array([low], np.float64), "max": np.array([high], np.float64)}
        for name, (low, high) in ranges.items()
    }
    return bytes(made.quantize(calibration, enable_progress_report=False).quantized_model)


def raw_tensors(model: Model) -> list[str]:
    """Return the names of the raw outputs, one or two, and of their reshaped copies.

    A logistic comes after them: the quantiser sets the range of its output, 1/256 from zero."""
    made_by = {output: op for op in model.graph.operators for output in op.outputs}
    end = model.graph.outputs[0]  # a row joins a map and the score of the part
    ends = made_by[end].inputs if model.kind(made_by[end]) == "CONCATENATION" else [end]
    for path in (paths := [[int(each)] for each in ends]):
        while (kind := model.kind(made_by[path[-1]])) in (*MOVES, "LOGISTIC"):
            source = made_by[path[-1]].inputs[0]
            path[:] = [source] if kind == "LOGISTIC" else [*path, source]
    return [model.name(index) for path in paths for index in path]


def float_operators(model: Model, keep_float: list[str]) -> list[Any]:
    """Return the operators that stay in float: the named layers, and those between them."""
    operators = list(model.graph.operators)
    layers = {model.title(op): op for op in model.weighted()}
    chosen = {layers[name].outputs[0] for name in keep_float}
    # The tensors after the chosen layers, and before them, without weights in between.
    after = set(chosen)
    before = {i for op in operators if op.outputs[0] in chosen for i in op.inputs}
    for op in operators:
        if model.kind(op) not in WEIGHTED and after.intersection(op.inputs):
            after.update(op.outputs)
    for op in reversed(operators):
        if model.kind(op) not in WEIGHTED and before.intersection(op.outputs):
            before.update(op.inputs)
    return [op for op in operators if op.outputs[0] in chosen | (after & before)]


def corrected(data: bytes, quantised: bytes, means: dict[str, Array] | None) -> bytes:
    """Return the int8 model with biases corrected for the rounding of its weights (decision 11).

    means: of the inputs of the layers; None applies no correction. In both cases a channel whose
    bias would overflow gets a coarser scale for its weights.
    """
    exact, made = Model(data), Model(quantised)
    twins = {exact.name(op.outputs[0]): op for op in exact.weighted()}
    for operator in made.weighted():
        kind = made.kind(operator)
        twin = twins[made.name(operator.outputs[0])]
        if len(operator.inputs) < 3 or operator.inputs[2] < 0:
            continue
        stored, bias = (made.graph.tensors[operator.inputs[i]] for i in (1, 2))
        rounded = made.values(operator.inputs[1])
        weight, offset = (exact.values(twin.inputs[i]) for i in (1, 2))
        if rounded is None or rounded.dtype != np.int8 or weight is None or offset is None:
            continue  # kept in float
        axis = WEIGHTED[kind]
        unit = float(made.graph.tensors[operator.inputs[0]].quantization.scale[0])
        scale = np.asarray(stored.quantization.scale, np.float64)
        scale = np.maximum(scale, np.abs(offset) / (unit * BIAS_LIMIT)).astype(np.float32)
        along = [-1 if i == axis else 1 for i in range(weight.ndim)]
        levels = np.clip(np.rint(weight / scale.reshape(along)), -127, 127)
        shift: Array = np.zeros(1)
        if means is not None:
            change = levels * scale.reshape(along) - weight
            shift = expected(change, means[exact.title(twin)], kind)
        step = scale.astype(np.float64) * unit
        whole = np.clip(np.rint((offset - shift) / step), -(2.0**31), 2.0**31 - 1)
        made.store(operator.inputs[1], levels.astype(np.int8))
        made.store(operator.inputs[2], whole.astype(np.int32))
        stored.quantization.scale = scale
        bias.quantization.scale = step.astype(np.float32)
    return made.data()


def expected(change: Array, mean: Array, kind: str) -> Array:
    """Return the shift of each output channel by a change of the weights, for mean inputs."""
    if kind == "DEPTHWISE_CONV_2D":  # 1 × rows × cols × (inputs · multiplier)
        return np.asarray(change.sum((0, 1, 2)) * mean.repeat(change.shape[3] // len(mean)))
    per_input = change.reshape(len(change), -1, change.shape[-1]).sum(1)  # out × in of its group
    groups = len(mean) // per_input.shape[1]
    inputs = mean.reshape(groups, -1).repeat(len(change) // groups, 0)
    return np.asarray((per_input * inputs).sum(1))


def described(data: bytes, keep: list[str]) -> dict[str, Any]:
    """Describe a finished file. stray: operators in float that should be in int8."""
    model = Model(data)

    def end(index: int) -> dict[str, Any]:
        tensor = model.graph.tensors[index]
        made: dict[str, Any] = {"type": TYPES[tensor.type], "shape": list(map(int, tensor.shape))}
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            made["scale"] = float(tensor.quantization.scale[0])
            made["zero_point"] = int(tensor.quantization.zeroPoint[0])
        return made

    floats = {
        model.name(op.outputs[0]): model.title(op)
        for op in model.graph.operators
        if model.kind(op) not in ("QUANTIZE", "DEQUANTIZE")
        and any(TYPES[model.graph.tensors[i].type] == "FLOAT32" for i in op.outputs)
    }
    return {
        "input": end(model.graph.inputs[0]),
        "output": end(model.graph.outputs[0]),
        "floats": list(floats.values()),
        "stray": [title for name, title in floats.items() if name not in keep],
    }


def make(folder: Path, job: dict[str, Any], pixels: dict[str, Any]) -> tuple[bytes, Any]:
    """Make one file of the job, and return it with its description."""
    data = converted(folder / job["program"], tuple(job["layers"]))
    model, ranges = Model(data), {PIXELS: tuple(pixels["range"])}
    if job["precision"] == "float32":
        made = Model(quantised(data, ranges, None)).data()
        return made, described(made, [])
    frames, scale, zero = folder / job["frames"], pixels["scale"], pixels["zero_point"]
    statistics = measured(data, frames, scale, zero, job["percentile"])
    ranges = {
        name: (statistics.low[name], statistics.high[name]) for name in statistics.low
    } | ranges
    for names, fixed in ((raw_tensors(model), job["raw_range"]), ([OUTPUT], job["row_range"])):
        if fixed is not None:
            ranges.update(dict.fromkeys(names, tuple(fixed)))
    keep = float_operators(model, job["keep_float"])
    made = quantised(data, ranges, keep)
    made = corrected(data, made, statistics.means if job["corrected"] else None)
    return made, described(made, [model.name(op.outputs[0]) for op in keep])


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    if job["torch"] != (version := torch.__version__.partition("+")[0]):
        raise JobError(f"torch {version}; the network was exported with torch {job['torch']}")
    result = {}
    for name, wanted in job["networks"].items():
        data, result[name] = make(folder, wanted, job["pixels"])
        (folder / f"{name}.tflite").write_bytes(data)
    (folder / "result.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except JobError as error:
        sys.exit(str(error))
