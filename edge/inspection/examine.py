"""Sources in, inspections out. Frames are decoded ahead while the chain looks at one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.chain.inspector import Inspection
from edge.clock import MonotonicClock
from edge.data_folder import remarks
from edge.devices.camera import EndOfFrames
from edge.devices.camera_video import VideoCamera
from edge.devices.video_source import VideoSource
from edge.errors import FrameError
from edge.images import read_image
from edge.inspection.sources import PictureSource
from edge.records import Frame

_T = TypeVar("_T")

_AHEAD = 2  # decoded frames that wait: one hides the decoding, two hide that it varies
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Examined:
    """One frame and its inspection; inspection.severity is valid until the next frame.

    source: the source's name. file: the same; of a video ``name#000123``, frames counted from 0.
    remarks: what the file holds that was not looked at, one line each.
    """

    file: str
    source: str
    pixels: NDArray[np.uint8]
    inspection: Inspection
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PictureFault:
    """A picture that could not be inspected. reason: one line that names the file."""

    file: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Decoded:
    file: str
    source: str
    path: str
    pixels: NDArray[np.uint8]
    remarks: tuple[str, ...] = ()


def examine(
    sources: Iterable[PictureSource], look: Callable[[Frame], Inspection]
) -> Generator[Examined | PictureFault, None, None]:
    """Every frame of every source through ``look`` (Inspector.examine), in the order given.

    Yield a PictureFault in place of a frame that cannot be decoded or inspected, and go on with the
    next. A thread decodes ahead. It ends with the generator: close the generator, or use it up.
    """
    with closing(_ahead(_decode(sources))) as decoded:
        for number, item in enumerate(decoded):
            if isinstance(item, PictureFault):
                yield item
                continue
            try:
                inspection = look(Frame(number, number, 0, 0, item.pixels))
            except FrameError as error:
                yield PictureFault(item.file, item.source, f"{item.path}: {error}")
            else:
                yield Examined(item.file, item.source, item.pixels, inspection, item.remarks)


def _decode(sources: Iterable[PictureSource]) -> Iterator[_Decoded | PictureFault]:
    for source in sources:
        if source.is_video:
            yield from _frames(source)
            continue
        try:
            pixels, told = read_image(source.path), remarks(source.path)
            yield _Decoded(source.name, source.name, str(source.path), pixels, told)
        except FrameError as error:
            yield PictureFault(source.name, source.name, str(error))


def _frames(source: PictureSource) -> Iterator[_Decoded | PictureFault]:
    """A video's frames; a video that breaks off is a PictureFault behind the last whole one."""
    try:
        camera = VideoCamera(source.path, clock=MonotonicClock())
    except FrameError as error:
        yield PictureFault(source.name, source.name, str(error))
        return
    taken = damaged = 0
    with closing(camera):
        while True:
            label = f"#{taken:06d}"
            try:
                pixels = camera.capture(taken, taken, 0).pixels
            except EndOfFrames:
                break
            except FrameError as error:
                yield PictureFault(source.name + label, source.name, str(error))
                taken += 1
                damaged += 1
                continue
            yield _Decoded(source.name + label, source.name, f"{source.path}{label}", pixels)
            taken += 1
    promised = _promised_frames(source.path)
    if taken < promised:
        whole = taken - damaged
        reason = f"{source.path}: breaks off: {whole} whole frames, its header states {promised}"
        yield PictureFault(source.name, source.name, reason)


def _promised_frames(path: Path) -> int:
    video = VideoSource(str(path))
    promised = video.promised
    video.close()
    return promised


def _ahead(items: Iterator[_T]) -> Generator[_T, None, None]:
    """The items, computed up to _AHEAD in advance by a thread that this generator owns."""
    queue: Queue[_T | BaseException | None] = Queue(_AHEAD)
    stop = threading.Event()

    def put(item: _T | BaseException | None) -> None:
        while not stop.is_set():
            with suppress(Full):
                queue.put(item, timeout=_POLL_S)
                return

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised again by the one who asked
            put(error)
        else:
            put(None)

    thread = threading.Thread(target=work, name="decode", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        with suppress(Empty):
            queue.get_nowait()  # the thread may wait for a free place
        thread.join(10)
