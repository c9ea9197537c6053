"""Batches that child processes make ahead, in order.

Threads would hold the interpreter lock, which the training loop needs between any two operators.
With patches that had synthetic defects, a step of 0.1 s then took 0.45 s.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable, Iterator

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.training.device import usable_cores
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
    """Yield batch(first) to batch(last - 1), in order. An exception in ``batch`` is raised here.

    processes: number of child processes that make batches ahead, at most one for each core. They
    are forked, so that pictures are shared and not copied, and end with the iterator. 0 makes each
    batch in the caller; None is 2, and 0 on macOS. ``batch`` must depend on the step only.
    """
    # On macOS the system's libraries do not survive a fork, so batches are made here.
    usual = 0 if sys.platform == "darwin" else 2
    processes = min(usual if processes is None else processes, usable_cores())
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
        # The traceback of an exception holds a reference to the iterator and its processes.
        end = getattr(batches, "_shutdown_workers", None)
        if end is not None:
            end()


def _alone(_worker: int) -> None:
    """Prepare a child process: one thread, and no reaction to SIGNALS.

    A signal to the whole process group is for the training loop, which saves its step and then ends
    its child processes.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
