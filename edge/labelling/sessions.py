"""The people at the page, and the picture that each of them has open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

LEASE_S = 45.0  # the page reports every 10 s; a tablet that sleeps loses its picture after 45 s
MOST_SESSIONS = 200


@dataclass(frozen=True, slots=True)
class Holder:
    """A page that has a picture open. session: of one tab of a browser. since_s: seconds of the
    clock of ``Sessions``, at its last report."""

    session: str
    person: str
    picture: str
    since_s: float


class Sessions:
    """The open pages with the picture of each. Any thread may use it; no call blocks for long."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """now_s: a monotonic clock in seconds."""
        self._now_s = now_s
        self._holders: dict[str, Holder] = {}
        self._lock = Lock()

    def hold(self, session: str, person: str, picture: str) -> None:
        """Record that a page has this picture open now, and no other."""
        with self._lock:
            self._forget_old()
            if session not in self._holders and len(self._holders) >= MOST_SESSIONS:
                oldest = min(self._holders.values(), key=lambda holder: holder.since_s)
                del self._holders[oldest.session]
            self._holders[session] = Holder(session, person, picture, self._now_s())

    def release(self, session: str) -> None:
        """Record that a page has no picture open."""
        with self._lock:
            self._holders.pop(session, None)

    def others(self, session: str) -> dict[str, str]:
        """Return the pictures that other pages have open, with the person of each."""
        with self._lock:
            self._forget_old()
            holders = self._holders.values()
            return {each.picture: each.person for each in holders if each.session != session}

    def _forget_old(self) -> None:
        oldest_s = self._now_s() - LEASE_S
        for holder in list(self._holders.values()):
            if holder.since_s < oldest_s:
                del self._holders[holder.session]
