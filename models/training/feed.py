"""Batches made ahead by processes of their own, in order.

A thread would do the same work, but its Python holds the interpreter lock that the training loop
needs between any two operators: patches with painted flaws made a step of 0.1 s take 0.45 s.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Iterator

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.training.interrupts import SIGNALS

Pair = tuple[Tensor, Tensor]


class _Steps(Dataset[Pair]):
    def __init__(self, batch: Callable[[int], Pair]) -> None:
        self._batch = batch

    def __getitem__(self, step: int) -> Pair:
        return self._batch(step)


def feed(
    batch: Callable[[int], Pair], first: int, last: int, *, processes: int | None = None
) -> Iterator[Pair]:
    """batch(first) to batch(last - 1), in order; an exception in ``batch`` is raised here.

    processes: how many make batches ahead (forked: the pictures are shared, not copied); 0 makes
    them in the caller, when it asks; None takes two. Never more than there are cores. They end with
    the iterator. ``batch`` must depend on the step alone.
    """
    cores = len(os.sched_getaffinity(0))
    processes = min(2 if processes is None else processes, cores)
    loader = DataLoader(
        _Steps(batch),
        batch_size=None,
        sampler=range(first, last),
        num_workers=processes,
        multiprocessing_context="fork" if processes else None,
        prefetch_factor=4 if processes else None,
        worker_init_fn=_alone if processes else None,
    )
    with warnings.catch_warnings():
        # Python 3.12 warns of any fork beside threads. The workers call numpy and OpenCV, whose
        # pools they do not use, and never torch's.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        batches = iter(loader)
    try:
        yield from batches
    finally:
        # An exception's traceback keeps the iterator alive, and its processes with it.
        end = getattr(batches, "_shutdown_workers", None)
        if end is not None:
            end()


def _alone(_worker: int) -> None:
    """A worker is one of several: no threads of its own. A key or a kill of the whole group is for
    the training loop, which saves its step and then ends its workers."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
