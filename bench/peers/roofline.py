"""The peak of one core: matrix products of ONNX Runtime in float32 and in uint8 × int8."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bench.timing import Call
from edge.bundle.manifest import Precision

# The three float32 matrices fit into a second-level cache of 1 MiB. On an AMD EPYC, products with
# sides from 256 to 1024 were within 4 % of these.
SIDES: dict[Precision, int] = {"float32": 256, "int8": 384}


def gmac(precision: Precision) -> float:
    """Return the giga multiply-accumulates of one call of ``product``."""
    return SIDES[precision] ** 3 / 1e9


def product(precision: Precision) -> Call:
    """Return a call that multiplies two square matrices on one thread; the right is constant."""
    side = SIDES[precision]
    rng = np.random.default_rng(0)
    if precision == "int8":
        left: NDArray[np.generic] = rng.integers(0, 256, (side, side), np.uint8)
        right: NDArray[np.generic] = rng.integers(-127, 128, (side, side), np.int8)
        operator, input_type, output_type = "MatMulInteger", TensorProto.UINT8, TensorProto.INT32
    else:
        left = rng.standard_normal((side, side), np.float32)
        right = rng.standard_normal((side, side), np.float32)
        operator, input_type, output_type = "MatMul", TensorProto.FLOAT, TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(operator, ["left", "right"], ["product"])],
        "product",
        [helper.make_tensor_value_info("left", input_type, [side, side])],
        [helper.make_tensor_value_info("product", output_type, [side, side])],
        [numpy_helper.from_array(right, "right")],
    )
    opsets: Sequence[onnx.OperatorSetIdProto] = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    binding = session.io_binding()
    binding.bind_cpu_input("left", left)
    binding.bind_output("product")
    return lambda: session.run_with_iobinding(binding)
