"""Step focus: is the picture sharp and well exposed, as the bundle knows its pictures?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from itertools import count

from edge.commission.annotated_picture import encoded, sheet
from edge.commission.context import CommissionContext
from edge.commission.live_page import LivePage
from edge.commission.reference import LIMITS, limited, reference_of, shape_faults, unknown_shape
from edge.commission.result import Figure, StepResult, judged
from edge.commission.sharpness import flicker, mains, measure_picture, middle
from edge.devices.camera import Camera, EndOfFrames
from edge.devices.trigger import EndOfParts, Trigger
from edge.errors import DeviceError, FrameError, OutfeedError
from edge.files import write_durably
from edge.records import Frame

PICTURE = "focus.png"
_MS = 1_000_000
_JOIN_S = 5.0
_MOST_MAINS = 0.01  # of the brightness: below it flicker has other reasons


def run_focus(bench: CommissionContext) -> StepResult:
    """Takes pictures of a part under the camera, with a person until he is content, and judges the
    last ones. Blocks. A camera that fails is a fault of the result, not an error."""
    try:
        with ExitStack() as stack:
            camera = stack.enter_context(closing(bench.devices.camera()))
            trigger = None
            if bench.config.camera.triggered:
                trigger = stack.enter_context(closing(bench.devices.trigger()))
            source = FocusSource(camera, trigger, bench)
            _adjust(bench, source)
            frames = source.take(bench.settings.frames)
    except (DeviceError, FrameError) as error:
        return judged("focus", (), faults=(str(error),))
    return judge_frames(bench, frames)


def judge_frames(bench: CommissionContext, frames: Sequence[Frame]) -> StepResult:
    """The figures of these frames against the bundle's, and the last one as a picture."""
    if not frames:
        return judged("focus", (), faults=("the camera gave no picture",))
    reference = reference_of(bench.bundle)
    pictures = [measure_picture(frame.pixels) for frame in frames]
    figures = [Figure(name="pictures", value=len(frames)), *limited(middle(pictures), reference)]
    notes = []
    if not reference.shows_focus:
        notes.append("the bundle's golden frames are too flat to judge focus by: look at them")
    if bench.config.camera.live:
        figures += _light(frames, [one.mean for one in pictures], notes)
    else:
        notes.append("recorded pictures differ from one another: flicker was not measured")
    taken = [frame.pixels for frame in frames]
    unknown = unknown_shape(reference, taken)
    if unknown is not None:
        notes.append(unknown)
    result = judged(
        "focus",
        figures,
        faults=shape_faults(reference, taken),
        good="sharp and exposed as the bundle's golden frames",
        notes=notes,
        pictures=(PICTURE,),
    )
    page = sheet(frames[-1].pixels, _lines(result), _wrong(result))
    write_durably(bench.folder / PICTURE, encoded(page, ".png"))
    return result


class FocusSource:
    """Frames of a camera, as of now or, of a triggered one, of its trigger. One thread."""

    def __init__(self, camera: Camera, trigger: Trigger | None, bench: CommissionContext) -> None:
        self._camera = camera
        self._trigger = trigger
        self._bench = bench
        self._numbers = count(1)

    def frame(self) -> Frame:
        """The next one. Raises DeviceError, FrameError, and EndOfFrames of a recording."""
        at_ns = self._bench.clock.now_ns()
        if self._trigger is not None:
            try:
                edge = self._trigger.wait(self._bench.settings.wait_s)
            except EndOfParts as error:
                raise EndOfFrames from error
            if edge is None:
                raise DeviceError("the camera is triggered, and no part came by")
            at_ns = edge.at_ns
        number = next(self._numbers)
        return self._camera.capture(number, number, at_ns)

    def take(self, wanted: int) -> list[Frame]:
        """So many, or all there are; of a sensor at uneven times, to see the mains in the light."""
        clock = self._bench.clock
        found: list[Frame] = []
        while len(found) < wanted:
            if self._bench.config.camera.live and self._trigger is None:
                clock.sleep_until_ns(clock.now_ns() + len(found) * 37 % 50 * _MS)
            try:
                found.append(self.frame())
            except EndOfFrames:
                break
        return found


def _adjust(bench: CommissionContext, source: FocusSource) -> None:
    """Show the live picture while a person turns the lens."""
    if not bench.person.there and bench.settings.browser is None:
        return
    reference = reference_of(bench.bundle)
    stop = threading.Event()
    with ExitStack() as stack:
        page = None
        if bench.settings.browser is not None:
            page = LivePage(bench.settings.browser, address=bench.settings.listen)
            stack.callback(page.close)
            bench.say(f"live picture: {page.url}")

        def show() -> None:
            while not stop.is_set():
                try:
                    frame = source.frame()
                except EndOfFrames:
                    return
                except OutfeedError as error:
                    bench.say(str(error))
                    stop.wait(1.0)
                    continue
                figures = limited(measure_picture(frame.pixels), reference)
                lines = [str(one) for one in figures if one.fits]
                wrong = [f"{one} ({one.limits})" for one in figures if not one.fits]
                picture = sheet(frame.pixels, lines, wrong)
                if page is not None:
                    page.show(encoded(picture, ".jpg"))
                else:
                    write_durably(bench.folder / PICTURE, encoded(picture, ".png"))
                stop.wait(0.1 if page is not None else 1.0)

        _while_showing(show, stop, bench)


def _while_showing(
    show: Callable[[], None], stop: threading.Event, bench: CommissionContext
) -> None:
    thread = threading.Thread(target=show, name="commission-camera", daemon=True)
    thread.start()
    try:
        if bench.person.there:
            where = "" if bench.settings.browser is not None else f" ({bench.folder / PICTURE})"
            bench.person.confirm(
                "Lay a good part under the camera and turn lens and light until the figures are "
                f"right{where}; then press Enter"
            )
        else:
            stop.wait(min(bench.settings.wait_s, 3.0))
    finally:
        stop.set()
        thread.join(_JOIN_S + bench.settings.wait_s)
    if thread.is_alive():  # one thread at a time may use a camera
        raise DeviceError("the camera does not come back with a frame")


def _light(frames: Sequence[Frame], means: list[float], notes: list[str]) -> list[Figure]:
    exposed_ns = [frame.exposed_ns for frame in frames]
    found = [
        Figure(name="flicker", value=100 * flicker(means), unit="%", high=100 * LIMITS.flicker)
    ]
    for hertz in (100, 120):
        share = mains(exposed_ns, means, hertz)
        found.append(Figure(name=f"light at {hertz} Hz", value=100 * share, unit="%"))
        if share > _MOST_MAINS:
            notes.append(
                f"the light pulses at {hertz} Hz: use a lamp on direct current, or an exposure of "
                f"a whole multiple of {1e3 / hertz:.4g} ms"
            )
    return found


def _lines(result: StepResult) -> list[str]:
    return [str(figure) for figure in result.figures if figure.fits]


def _wrong(result: StepResult) -> list[str]:
    return [f"{figure} ({figure.limits})" for figure in result.figures if not figure.fits]
