"""Training and measurement of every method, at every feature dimension and with every seed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from bench.imagelevel.network import train_network
from bench.imagelevel.pictures import (
    GOOD,
    Labelled,
    Labels,
    class_names,
    prepare,
    read_side,
    training_set,
)
from bench.imagelevel.pretrained import check_weights, train_pretrained
from bench.imagelevel.record import ImageLevelComparison, ImageLevelRun, ImageLevelSide, versions
from bench.imagelevel.scores import confusion, score
from bench.imagelevel.settings import ImageLevelSettings, Method
from bench.imagelevel.shallow import most_dimensions, train_shallow
from models.data.dataset import DataError, DataSet, Pixels, Sample
from models.data.split import Split, split

TIMED_PICTURES = 32  # validation pictures, one at a time; the median of their times is reported


class TrainedClassifier(Protocol):
    """A trained method."""

    def predict(self, pixels: Pixels) -> Labels:
        """Return int64 N labels of prepared pictures, uint8 N×S×S×C."""


@dataclass(frozen=True, slots=True)
class _Task:
    """The pictures of one split. raw: some validation pictures, not prepared, for the timing."""

    classes: tuple[str, ...]
    real: Labelled
    held_back: Labelled
    raw: tuple[Pixels, ...]


def compare(
    dataset: DataSet, settings: ImageLevelSettings, say: Callable[[str], None] = lambda line: None
) -> ImageLevelComparison:
    """Compare the methods on one split. Block for minutes, and compute on one core.

    say: called with one line for each step of progress. Raises DataError for data without two good
    and two defective parts.
    """
    if "pretrained" in settings.methods:
        check_weights()
    with _one_core():
        divided = split(dataset, settings.validation_share, settings.split_seed)
        say(f"reading {len(divided.train)} training, {len(divided.validation)} validation pictures")
        task = _read(dataset, divided, settings)
        grid, left_out = _possible(task, settings)
        runs: list[ImageLevelRun] = []
        cells = len(settings.all_seeds) * len(grid) * len(settings.methods)
        for seed in settings.all_seeds:
            training = training_set(task.real, settings, seed)
            for dimension in grid:
                for method in settings.methods:
                    measured = _measure(method, dimension, seed, task, training, settings)
                    runs.append(measured)
                    say(
                        f"[{len(runs)}/{cells}] seed {seed}, dimension {dimension}, {method}: "
                        f"F1 {measured.score.f1:.3f}, {measured.train_s:.1f} s"
                    )
    always_good = np.full_like(task.held_back.labels, GOOD)
    return ImageLevelComparison(
        data=str(dataset.root),
        layout=dataset.layout,
        settings=settings,
        versions=versions(),
        classes=task.classes,
        channels=dataset.channels,
        train=_side(divided.train, task.real, task.classes),
        validation=_side(divided.validation, task.held_back, task.classes),
        unmasked=tuple(sample.name for sample in divided.unmasked),
        trained_on=len(training.labels),
        dimensions=grid,
        dimensions_left_out=left_out,
        always_good=score(confusion(task.held_back.labels, always_good, len(task.classes))),
        runs=tuple(runs),
    )


def _read(dataset: DataSet, divided: Split, settings: ImageLevelSettings) -> _Task:
    for side, samples in (("training", divided.train), ("validation", divided.validation)):
        if not any(sample.is_good for sample in samples):
            raise DataError(f"{dataset.root}: no good {side} picture; expected two good parts")
        if all(sample.is_good for sample in samples):
            raise DataError(
                f"{dataset.root}: no defective {side} picture; expected masks of two parts or more"
            )
    few = divided.validation[:: max(1, len(divided.validation) // TIMED_PICTURES)]
    return _Task(
        class_names(dataset),
        read_side(dataset, divided.train, settings),
        read_side(dataset, divided.validation, settings),
        tuple(dataset.load_image(sample) for sample in few[:TIMED_PICTURES]),
    )


def _possible(task: _Task, settings: ImageLevelSettings) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the dimensions that the training pictures allow, and the others."""
    counts = np.bincount(task.real.labels)
    pictures = int(counts.max() * np.count_nonzero(counts) if settings.balance else counts.sum())
    most = most_dimensions(pictures * settings.copies, settings.size_px, task.real.pixels.shape[3])
    if settings.dimension > most:
        raise DataError(
            f"dimension {settings.dimension}: the training pictures give {most} at the most"
        )
    grid = settings.grid
    return tuple(d for d in grid if d <= most), tuple(d for d in grid if d > most)


def _measure(
    method: Method,
    dimension: int,
    seed: int,
    task: _Task,
    training: Labelled,
    settings: ImageLevelSettings,
) -> ImageLevelRun:
    began = time.process_time()
    trained = _train(method, training, len(task.classes), dimension, settings, seed)
    train_s = time.process_time() - began
    called = trained.predict(task.held_back.pixels)
    table = confusion(task.held_back.labels, called, len(task.classes))
    return ImageLevelRun(
        method=method,
        dimension=dimension,
        seed=seed,
        score=score(table),
        confusion=tuple(tuple(row) for row in table.tolist()),
        train_s=train_s,
        ms_per_picture=_ms_per_picture(trained, task.raw, settings),
    )


def _train(
    method: Method,
    training: Labelled,
    classes: int,
    dimension: int,
    settings: ImageLevelSettings,
    seed: int,
) -> TrainedClassifier:
    if method == "cnn":
        return train_network(training, classes, dimension, settings, seed)
    if method == "pretrained":
        return train_pretrained(training, classes, dimension, settings, seed)
    return train_shallow(method, training, dimension, settings, seed)


def _ms_per_picture(
    trained: TrainedClassifier, raw: tuple[Pixels, ...], settings: ImageLevelSettings
) -> float:
    """Return the median time of a picture, from the decoded picture to its label."""
    spent = []
    for number, pixels in enumerate((raw[0], *raw)):  # the first picture also warms up
        began = time.process_time()
        trained.predict(prepare(pixels, settings.size_px, settings.denoise_px)[None])
        if number:
            spent.append(time.process_time() - began)
    return float(np.median(spent)) * 1e3


def _side(samples: tuple[Sample, ...], read: Labelled, classes: tuple[str, ...]) -> ImageLevelSide:
    counts = Counter(classes[label] for label in read.labels.tolist())
    return ImageLevelSide(
        pictures={name: counts[name] for name in classes},
        names=tuple(sample.name for sample in samples),
        groups=tuple(sorted({sample.group for sample in samples})),
    )


@contextmanager
def _one_core() -> Iterator[None]:
    """Use one thread in torch, OpenCV, BLAS and OpenMP while inside, and restore the settings."""
    torch_threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(torch_threads)
        cv2.setNumThreads(cv_threads)
