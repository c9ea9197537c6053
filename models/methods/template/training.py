"""Training of the template detector: golden images, their spread, and the scale of severity.

The station reads the file that results (edge/chain/template/detector.py).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.chain.noise import noise_level
from edge.chain.template.detector import TemplateDetector
from edge.chain.template.file import SPREAD_STEP, TemplateFile, TemplateHeader, TemplateReference
from edge.chain.template.registration import Bounds
from models.data.dataset import DataError, Pixels, as_channels
from models.methods.base import FileDetector, Method, TrainedMethod, TrainingTask, severity_unit
from models.methods.recipe import TemplateRecipe
from models.methods.template.variants import variants

log = logging.getLogger(__name__)

# The median of 64 parts is within 0.16 of a spread. More parts are hardly better and need memory.
MOST_PARTS = 64
# Number of parts at which the measured spread weighs as much as the one from edges and noise.
PRIOR_PARTS = 4.0
# Least spreads for a severity of 4. If good parts hardly differ, a finer scale would make every
# grey level a defect.
LEAST_PEAK = 4.0

Plane = npt.NDArray[np.float32]


def train_template(task: TrainingTask) -> TrainedMethod:
    """Make golden images of the good parts, with the scale of the held-back ones.

    Raises DataError if no good part matches.
    """
    recipe = task.recipe.template
    good = [picture.pixels for picture in task.good]
    if not good:
        raise DataError("method template: no picture of a good part to learn from")
    step = max(-(-len(good) // MOST_PARTS), 1)
    file = make_template(good[::step], recipe)
    scaling = task.good_held_back or task.good
    if not task.good_held_back:
        log.warning("template-scale: no good part is held back; training pictures set the scale")
    detector = TemplateDetector(file)
    peaks = []
    for picture in scaling:
        scores, why = detector.scores(picture.pixels)
        if scores is None:
            log.warning("template-unmatched picture=%s: %s", picture.sample.name, why)
        else:
            peaks.append(max(float(scores.max()), LEAST_PEAK))
    if not peaks:
        raise DataError(
            "method template: no good part that is held back matches the golden image; expected "
            "parts that lie within template.max_shift_share and max_rotation_deg"
        )
    unit = severity_unit(peaks)
    log.info("template parts=%s peaks=%.1f to %.1f spreads", len(good), min(peaks), max(peaks))
    scaled = TemplateFile(file.header.model_copy(update={"unit": unit}), file.references)
    return TrainedMethod(FileDetector("template", scaled.pack()))


def make_template(pixels: Sequence[Pixels], recipe: TemplateRecipe) -> TemplateFile:
    """Return golden images of good parts, with a severity of one spread. pixels: uint8, one or
    more.

    Raises DataError for parts of several sizes, and for parts without edges for the registration.
    """
    sizes = sorted({each.shape for each in pixels})
    if len(sizes) != 1:
        named = ", ".join(f"{shape[1]}×{shape[0]}" for shape in sizes[:3])
        raise DataError(
            f"method template: good parts of several sizes ({named}); expected one, the line's"
        )
    if recipe.references > len(pixels):
        raise DataError(
            f"template.references is {recipe.references}; expected at most the number of good "
            f"parts, {len(pixels)}"
        )
    noise_levels = [noise_level(as_channels(each, 1)) for each in pixels]
    header = header_of(sizes[0], recipe).model_copy(update={"noise": max(noise_levels)})
    bounds = Bounds(header.max_rotation_deg, header.max_shift_px, header.max_scale)
    laid = variants(pixels, recipe.references, bounds)
    log.info("template variants=%s", [len(each) for each in laid])
    return TemplateFile(header, tuple(make_reference(each, recipe) for each in laid))


def make_reference(laid: Sequence[Pixels], recipe: TemplateRecipe) -> TemplateReference:
    """Return a golden image and its spread, from aligned good parts in equal light.

    They are the median, and the median deviation from it (times 1.4826). With few parts this
    deviation is uncertain, and with one it is 0. It is therefore combined with an expected one:
    noise_grey, and at an edge its slope times edge_px, the distance by which good edges vary.
    """
    golden, deviation = _middle(laid)
    grey = cv2.GaussianBlur(as_channels(golden, 1).astype(np.float32), (0, 0), 1.0)
    slope = np.hypot(
        cv2.Scharr(grey, cv2.CV_32F, 1, 0, scale=1 / 32),
        cv2.Scharr(grey, cv2.CV_32F, 0, 1, scale=1 / 32),
    )
    expected = recipe.noise_grey**2 + (recipe.edge_px * slope) ** 2
    degrees = len(laid) - 1
    variance = (PRIOR_PARTS * expected + degrees * deviation**2) / (PRIOR_PARTS + degrees)
    spread = np.sqrt(np.maximum(variance, recipe.noise_grey**2))
    steps = np.rint(spread / SPREAD_STEP).clip(1, 255)
    return TemplateReference(golden, np.ascontiguousarray(steps.astype(np.uint8)))


def header_of(shape: tuple[int, ...], recipe: TemplateRecipe) -> TemplateHeader:
    """Return the header for frames of that shape, with unit 1."""
    height, width = shape[:2]
    return TemplateHeader(
        height=height,
        width=width,
        channels=1 if len(shape) == 2 else 3,
        references=recipe.references,
        combine=recipe.combine,
        registration=recipe.registration,
        max_rotation_deg=recipe.max_rotation_deg,
        max_shift_px=recipe.max_shift_share * max(height, width),
        max_scale=recipe.max_scale,
        min_match=recipe.min_match,
        illumination=recipe.illumination,
        tolerance_px=recipe.tolerance_px,
        smooth_px=recipe.smooth_px,
        noise_limit=recipe.noise_limit,
        unit=1.0,
    )


def _middle(laid: Sequence[Pixels]) -> tuple[Pixels, Plane]:
    """Return the median, and the spread of the worst channel in grey levels, H×W."""
    stack = np.stack(laid)
    golden = np.ascontiguousarray(np.median(stack, axis=0).round().astype(np.uint8))
    apart = np.stack([cv2.absdiff(each, golden) for each in stack])
    deviation = 1.4826 * np.median(apart, axis=0).astype(np.float32)
    if deviation.ndim == 3:
        deviation = deviation.max(2)
    # With few parts the deviation of one pixel is random; its neighbours share the surface.
    return golden, np.asarray(cv2.GaussianBlur(deviation, (0, 0), 1.0), np.float32)


METHOD = Method(
    train=train_template,
    build=None,
    good_only=True,
    formats=("onnx",),
    int8=False,
    by_place=True,
)
