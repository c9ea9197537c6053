"""The live wall: one rendering for all browsers that watch the same stations."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from edge.errors import OutfeedError

_log = logging.getLogger(__name__)

View = frozenset[str] | None
"""The names of the stations that a browser may see; None: all of them."""

RENDER_S = 0.5
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class LiveState:
    """The latest rendering. number: grows where the text has changed."""

    number: int
    text: str


_NOTHING = LiveState(0, "")


class LiveWall:
    """Renders a page part twice a second while someone watches it.

    Synchronization: a thread of its own calls ``render``. ``watch`` runs in the event loop of the
    server, once for each browser. Memory does not grow with time: a slow browser misses renderings.
    """

    def __init__(self, render: Callable[[View], str]) -> None:
        """render: returns the text of a view; may raise OutfeedError, and is then tried again."""
        self._render = render
        self._states: dict[View, LiveState] = {}
        self._watchers: Counter[View] = Counter()
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-wall", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and all watchers. May be called twice."""
        self._stop.set()
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join(10)

    async def watch(self, view: View) -> AsyncIterator[str]:
        """Yield the present text of a view, and each later one that differs, until ``close``."""
        self._watchers[view] += 1
        self._wanted.set()
        number = 0
        try:
            while not self._stop.is_set():
                state = self._states.get(view, _NOTHING)
                if state.number != number:
                    number = state.number
                    yield state.text
                await asyncio.sleep(_LOOK_S)
        finally:
            self._watchers[view] -= 1
            if not self._watchers[view]:
                del self._watchers[view]
                self._states.pop(view, None)
            if not self._watchers:
                self._wanted.clear()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wanted.wait()
            if self._stop.is_set():
                return
            for view in tuple(self._watchers):
                try:
                    text = self._render(view)
                except OutfeedError as error:
                    _log.warning("wall_not_rendered reason=%s", error)
                    break
                state = self._states.get(view, _NOTHING)
                if text != state.text:
                    self._states[view] = LiveState(state.number + 1, text)
                if view not in self._watchers:  # the last browser left while it was rendered
                    self._states.pop(view, None)
            self._stop.wait(RENDER_S)
