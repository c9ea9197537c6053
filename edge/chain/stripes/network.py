"""The network of a bundle, made ready for stripes, or the reason why it cannot run on them."""

from __future__ import annotations

from edge.bundle import Bundle
from edge.bundle.network import OWN_FILES
from edge.chain.stripes.detector import StripeNetwork
from edge.chain.stripes.onnx_reach import onnx_reach
from edge.chain.stripes.reach import NotLocalError, cell_reach
from edge.chain.stripes.tflite_reach import reshaped, tflite_reach
from edge.engines.engine import Engine
from edge.engines.registry import EngineChoice


def stripe_network(bundle: Bundle, engine: EngineChoice) -> StripeNetwork:
    """Return the detector network of the bundle for stripes on this engine.

    Raises NotLocalError, one line with the reason, where a stripe cannot have the cells of the
    whole frame.
    """
    spec, build = bundle.manifest.detector, engine.build(bundle)
    try:
        if spec.kind in OWN_FILES:
            raise NotLocalError(f"{spec.kind} compares the whole picture, and is no network")
        if spec.part_score:
            raise NotLocalError("its decision head pools the whole picture")
        data = bundle.files[build.detector.file]
        if build.format == "onnx" and not build.detector.flexible:
            raise NotLocalError(f"{build.name} has one size of input")
        plane = onnx_reach(data) if build.format == "onnx" else tflite_reach(data)
        rows, cols = (cell_reach(side, spec.stride_px) for side in plane.sides)
        if any(spec.multiple_px % side.align_px for side in (rows, cols)):
            raise NotLocalError(f"multiple_px {spec.multiple_px} is no multiple of its strides")
    except NotLocalError as error:
        raise NotLocalError(f"{bundle.id} cannot run on stripes: {error}") from error
    make = engine.load().make

    def shaped(height: int, width: int) -> Engine:
        # A TFLite file has one size of input; the same network is written for another one.
        file = data if build.format == "onnx" else reshaped(data, height, width)
        return make(file, batch=1, height=height, width=width, channels=spec.channels)

    return StripeNetwork(spec, shaped, rows, cols, build.detector.scale, build.detector.zero_point)


def expects_stripes(bundle: Bundle, engine: EngineChoice) -> bool:
    """Return true where the network was trained on frames that this engine cuts into stripes."""
    known = bundle.manifest.trained_on
    least = engine.stripes_from_px
    sizes = () if known is None else (known.greatest, *known.sizes)
    return least is not None and any(height * width >= least for height, width in sizes)


def stripes_refused(bundle: Bundle, engine: EngineChoice) -> str | None:
    """Return the reason why frames of this bundle are never cut into stripes, one line, or None.

    It is None too where no frame is expected to be that large.
    """
    if not expects_stripes(bundle, engine):
        return None
    try:
        stripe_network(bundle, engine)
    except NotLocalError as error:
        return str(error)
    return None
