"""The bundle carries what its training pictures were like, and commissioning compares with that."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.bundle import TrainedOn, sign_bundle, write_bundle
from edge.commission.context import CommissionSettings
from edge.commission.result import StepOutcome
from edge.commission.steps.focus import run_focus
from export.pack import build_bundle
from export.source import trained_on
from models.data.dataset import DataError, Sample
from models.runs.run import Run
from tests.commission.stations import context_of, write_station
from tests.export.conftest import OPTIONS
from tests.support.keys import KEY


def sample(folder: Path, name: str, *shape: int) -> Sample:
    path = folder / name
    cv2.imwrite(str(path), np.zeros(shape, np.uint8))
    return Sample(name, path, name)


def test_sizes_are_those_of_the_files_the_usual_first(tmp_path: Path) -> None:
    samples = [
        sample(tmp_path, "a.png", 48, 64),
        sample(tmp_path, "b.png", 480, 640),
        sample(tmp_path, "c.jpg", 480, 640, 3),
    ]
    assert trained_on(samples) == TrainedOn(
        sizes=((480, 640), (48, 64)), least=(48, 64), greatest=(480, 640), channels=(1, 3)
    )


def test_of_many_sizes_the_bounds_remain(tmp_path: Path) -> None:
    found = trained_on(sample(tmp_path, f"{n}.png", 20 + n, 90 - n) for n in range(70))
    assert len(found.sizes) == 64
    assert (found.least, found.greatest) == ((20, 21), (89, 90))


def test_a_picture_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.png: cannot be read"):
        trained_on([Sample("none.png", tmp_path / "none.png", "none")])


def test_the_very_camera_of_the_training_pictures_is_go(tiny_run: Path, tmp_path: Path) -> None:
    """At a network's shape that is not theirs, which is what golden frames are cut to."""
    options = replace(OPTIONS, height=64, width=80, calibration_frames=4)
    exported = build_bundle(Run(tiny_run), options)
    assert exported.bundle.manifest.trained_on == TrainedOn(
        sizes=((96, 96),), least=(96, 96), greatest=(96, 96), channels=(1,)
    )
    path = write_station(tmp_path)
    write_bundle(tmp_path / "small.outfeed", sign_bundle(exported.data, KEY))
    shutil.rmtree(tmp_path / "frames")
    (tmp_path / "frames").mkdir()
    record = Run(tiny_run).record()
    for name in record.train:  # good parts, as a person lays them under the camera
        if int(Path(name).stem) % 3 == 2:
            shutil.copy(Path(record.data) / name, tmp_path / "frames")
    result = run_focus(context_of(path, settings=CommissionSettings(frames=6)))
    assert result.outcome is StepOutcome.GO, result.reason
    assert not any("does not carry" in note for note in result.notes)
