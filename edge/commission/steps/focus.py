"""Step focus: sharpness, exposure and flicker of the camera, compared with the golden frames."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from itertools import count

from edge.commission.annotated_picture import annotate, encode_picture
from edge.commission.context import CommissionContext
from edge.commission.live_page import LivePage
from edge.commission.reference import (
    LIMITS,
    picture_reference,
    shape_mismatches,
    unknown_shape_note,
    with_limits,
)
from edge.commission.result import Figure, StepResult, judge_figures
from edge.commission.sharpness import flicker, mains_amplitude, measure_picture, median_figures
from edge.devices.camera import Camera, EndOfFrames
from edge.devices.trigger import EndOfParts, Trigger
from edge.errors import DeviceError, FrameError, OutfeedError
from edge.files import write_durably
from edge.records import Frame

PICTURE = "focus.png"
_MS = 1_000_000
_JOIN_S = 5.0
_MOST_MAINS = 0.01  # share of the brightness; a smaller flicker has other causes


def run_focus(context: CommissionContext) -> StepResult:
    """Take pictures of a part under the camera and compare them with the golden frames.

    With an operator, show live pictures until the operator has finished the adjustment; then
    measure new ones. Blocks. A camera that fails is a fault in the result, not an exception.
    """
    try:
        with ExitStack() as stack:
            camera = stack.enter_context(closing(context.devices.camera()))
            trigger = None
            if context.config.camera.triggered:
                trigger = stack.enter_context(closing(context.devices.trigger()))
            source = FocusSource(camera, trigger, context)
            _adjust(context, source)
            frames = source.take(context.settings.frames)
    except (DeviceError, FrameError) as error:
        return judge_figures("focus", (), faults=(str(error),))
    return judge_frames(context, frames)


def judge_frames(context: CommissionContext, frames: Sequence[Frame]) -> StepResult:
    """Compare the frames with the golden frames, and write the last one as an annotated picture."""
    if not frames:
        return judge_figures("focus", (), faults=("the camera delivered no picture",))
    reference = picture_reference(context.bundle)
    pictures = [measure_picture(frame.pixels) for frame in frames]
    figures = [
        Figure(name="pictures", value=len(frames)),
        *with_limits(median_figures(pictures), reference),
    ]
    notes = []
    if not reference.shows_focus:
        notes.append(
            "the golden frames of the bundle have too few edges to compare focus: check it by eye"
        )
    if context.config.camera.live:
        figures += _light(frames, [one.mean for one in pictures], notes)
    else:
        notes.append("flicker was not measured, because recorded pictures show different parts")
    taken = [frame.pixels for frame in frames]
    unknown = unknown_shape_note(reference, taken)
    if unknown is not None:
        notes.append(unknown)
    result = judge_figures(
        "focus",
        figures,
        faults=shape_mismatches(reference, taken),
        good="sharpness and exposure match the golden frames of the bundle",
        notes=notes,
        pictures=(PICTURE,),
    )
    page = annotate(frames[-1].pixels, _lines(result), _wrong(result))
    write_durably(context.folder / PICTURE, encode_picture(page, ".png"))
    return result


class FocusSource:
    """The frames of a camera: taken now, or at the trigger of a triggered one. One thread."""

    def __init__(self, camera: Camera, trigger: Trigger | None, context: CommissionContext) -> None:
        self._camera = camera
        self._trigger = trigger
        self._context = context
        self._numbers = count(1)

    def frame(self) -> Frame:
        """Return the next frame. Raises DeviceError, FrameError, or EndOfFrames after the last."""
        at_ns = self._context.clock.now_ns()
        if self._trigger is not None:
            try:
                edge = self._trigger.wait(self._context.settings.wait_s)
            except EndOfParts as error:
                raise EndOfFrames from error
            if edge is None:
                raise DeviceError("the camera is triggered, and no part came")
            at_ns = edge.at_ns
        number = next(self._numbers)
        return self._camera.capture(number, number, at_ns)

    def take(self, wanted: int) -> list[Frame]:
        """Return this number of frames, or all that there are.

        Frames of a live camera without trigger are taken at uneven times, so that pulses of the
        light at mains frequency become visible.
        """
        clock = self._context.clock
        frames: list[Frame] = []
        while len(frames) < wanted:
            if self._context.config.camera.live and self._trigger is None:
                clock.sleep_until_ns(clock.now_ns() + len(frames) * 37 % 50 * _MS)
            try:
                frames.append(self.frame())
            except EndOfFrames:
                break
        return frames


def _adjust(context: CommissionContext, source: FocusSource) -> None:
    """Show the live picture while the operator adjusts the lens."""
    if not context.operator.present and context.settings.browser is None:
        return
    reference = picture_reference(context.bundle)
    stop = threading.Event()
    with ExitStack() as stack:
        page = None
        if context.settings.browser is not None:
            page = LivePage(context.settings.browser, address=context.settings.listen)
            stack.callback(page.close)
            context.print_line(f"live picture: {page.url}")

        def show() -> None:
            while not stop.is_set():
                try:
                    frame = source.frame()
                except EndOfFrames:
                    return
                except OutfeedError as error:
                    context.print_line(str(error))
                    stop.wait(1.0)
                    continue
                figures = with_limits(measure_picture(frame.pixels), reference)
                lines = [str(one) for one in figures if one.fits]
                wrong = [f"{one} ({one.limits})" for one in figures if not one.fits]
                picture = annotate(frame.pixels, lines, wrong)
                if page is not None:
                    page.show(encode_picture(picture, ".jpg"))
                else:
                    write_durably(context.folder / PICTURE, encode_picture(picture, ".png"))
                stop.wait(0.1 if page is not None else 1.0)

        _while_showing(show, stop, context)


def _while_showing(
    show: Callable[[], None], stop: threading.Event, context: CommissionContext
) -> None:
    thread = threading.Thread(target=show, name="commission-camera", daemon=True)
    thread.start()
    try:
        if context.operator.present:
            where = (
                "" if context.settings.browser is not None else f" (see {context.folder / PICTURE})"
            )
            context.operator.confirm(
                "Put a good part under the camera. Adjust lens and light until all figures are "
                "within "
                f"their limits{where}. Then press Enter."
            )
        else:
            stop.wait(min(context.settings.wait_s, 3.0))
    finally:
        stop.set()
        thread.join(_JOIN_S + context.settings.wait_s)
    if thread.is_alive():  # only one thread may use a camera at a time
        raise DeviceError("the camera did not return a frame in time")


def _light(frames: Sequence[Frame], means: list[float], notes: list[str]) -> list[Figure]:
    exposed_ns = [frame.exposed_ns for frame in frames]
    figures = [
        Figure(name="flicker", value=100 * flicker(means), unit="%", high=100 * LIMITS.flicker)
    ]
    for hertz in (100, 120):
        share = mains_amplitude(exposed_ns, means, hertz)
        figures.append(Figure(name=f"light at {hertz} Hz", value=100 * share, unit="%"))
        if share > _MOST_MAINS:
            notes.append(
                f"the light pulses at {hertz} Hz: use a lamp on direct current, or set the "
                "exposure "
                f"to a whole multiple of {1e3 / hertz:.4g} ms"
            )
    return figures


def _lines(result: StepResult) -> list[str]:
    return [str(figure) for figure in result.figures if figure.fits]


def _wrong(result: StepResult) -> list[str]:
    return [f"{figure} ({figure.limits})" for figure in result.figures if not figure.fits]
