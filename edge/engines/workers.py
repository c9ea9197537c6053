"""Threads that share the items of one task, so that several cores are busy with one frame."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import count as counter


class Workers:
    """``threads`` threads, of which the caller is one.

    The others start with the first task. They end with the process, or when the object is deleted.

    Synchronization: one thread at a time may call ``share``.
    """

    def __init__(self, threads: int) -> None:
        """threads: at least 1. With 1 no thread is started."""
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads - 1, "stripes") if threads > 1 else None

    def share(self, items: int, work: Callable[[int, int], None]) -> None:
        """Call ``work(worker, item)`` for every item from 0, in order. Blocks until all returned.

        worker: 0 to threads - 1; each worker does one item at a time, and takes the next item when
        it is free. Raises the first exception of ``work``; then the items not begun are left out.
        """
        following = counter()  # next() of it is one step for the interpreter
        failed: list[BaseException] = []

        def take(worker: int) -> None:
            while not failed and (item := next(following)) < items:
                try:
                    work(worker, item)
                except BaseException as error:  # noqa: BLE001 - raised again by the caller
                    failed.append(error)

        others: list[Future[None]] = []
        if self._pool is not None:
            helpers = min(self.threads, items)
            others = [self._pool.submit(take, worker) for worker in range(1, helpers)]
        take(0)
        wait(others)
        if failed:
            raise failed[0]
