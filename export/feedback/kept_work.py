"""The folder in which a retraining works, beside that of the new run.

An interrupted or killed retraining leaves it. The next one with the same inputs goes on with the
checkpoints and the finished steps of the export in it.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.bundle import Bundle
from edge.files import write_atomically
from export.kept_steps import inputs_of
from models.data.dataset import DataError
from models.feedback import FeedbackDataset
from models.training.device import CPU

if TYPE_CHECKING:
    from export.feedback.retraining import LearnOptions

log = logging.getLogger(__name__)

_INPUTS = "inputs.sha256"


def work_folder(out: Path) -> Path:
    """Return the folder of the work on the new run ``out``."""
    return out.with_name(f".{out.name}.partial")


def inputs_of_learning(feedback: FeedbackDataset, old: Bundle, options: LearnOptions) -> str:
    """Return the SHA-256 of all that a retraining follows from, in hexadecimal digits.

    The device does not count: a training may go on at another one. Blocks for reading all pictures.
    """
    marked = (*feedback.learned, *feedback.held_back)
    pictures = (*feedback.train, *feedback.validation, *feedback.earlier)
    samples = [each.sample for each in (*pictures, *(each.picture for each in marked))]
    sides = (tuple(each.entry for each in feedback.learned), len(feedback.held_back))
    settings = (old.id, replace(options, device=CPU), sides)
    return inputs_of(feedback.run, samples, settings)


@contextmanager
def kept_work(out: Path, inputs: str) -> Iterator[Path]:
    """Create the work folder, or go on with one that has the same ``inputs``.

    It is deleted at the end and after an error, and stays after an interrupt. Raises DataError
    where it cannot be created.
    """
    folder = work_folder(out)
    note = folder / _INPUTS
    try:
        known = note.read_text(encoding="ascii") if note.is_file() else ""
        if known == inputs:
            log.info("learn goes on with the finished work in %s", folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write_atomically(note, inputs)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "unreadable"
        raise DataError(f"{folder}: cannot be used: {reason}") from error
    try:
        yield folder
    except KeyboardInterrupt:
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
