"""The teacher that a user names: the folder of a finished run, or a torch state file."""

from __future__ import annotations

import logging
from hashlib import sha256
from pathlib import Path

from models.data.dataset import DataError
from models.distillation.record import TeacherRecord
from models.distillation.state_file import read_state
from models.distillation.teacher import FeatureTeacher, MapTeacher, Teacher
from models.networks import DetectorNetwork
from models.runs.run import Run, RunRecord

log = logging.getLogger(__name__)


def open_teacher(path: Path) -> tuple[Teacher, TeacherRecord]:
    """Return a teacher and its record. Blocks while a file of some 100 MB is read.

    path: the folder of a finished run of regression, or a torch state of a ResNet, a Wide ResNet or
    a ViT. Raises DataError, one line, for anything else.
    """
    if path.is_dir():
        return _of_run(path)
    if not path.is_file():
        raise DataError(
            f"{path}: is no teacher; expected the folder of a finished run or a torch state file"
        )
    published = read_state(path)
    record = TeacherRecord(
        kind="state",
        name=str(path),
        architecture=published.architecture,
        sha256=sha256(path.read_bytes()).hexdigest(),
    )
    return FeatureTeacher(published), record


def _of_run(folder: Path) -> tuple[Teacher, TeacherRecord]:
    run = Run(folder)
    result, recipe = run.result(), run.record().recipe
    network = run.load_detector()
    if recipe.method != "regression" or not isinstance(network, DetectorNetwork):
        raise DataError(f"{folder}: is a run of {recipe.method}; expected regression as a teacher")
    record = TeacherRecord(
        kind="run",
        name=str(folder),
        architecture=recipe.detector_name,
        sha256=run.weights_sha256(),
        metrics=dict(result.metrics["float"]),
    )
    return MapTeacher(network.requires_grad_(requires_grad=False)), record


def check_teacher(folder: Path, student: RunRecord) -> None:
    """Check that the run in ``folder`` can teach a student on its data. Raises DataError.

    Logs a warning where the teacher was trained on pictures that the student holds back: the
    student's figures may then be too good.
    """
    teacher = Run(folder).record()
    if teacher.channels != student.channels:
        sorts = {1: "grey", 3: "colour"}
        raise DataError(
            f"{folder}: takes {sorts[teacher.channels]} pictures; expected a teacher for "
            f"{sorts[student.channels]} ones"
        )
    if teacher.alignment != student.alignment:
        raise DataError(f"{folder}: aligns parts in another way than the student would")
    seen = len(set(teacher.train) & set(student.validation))
    if seen:
        log.warning(
            "teacher: %s of %s held-back pictures were trained on by the teacher, so figures may "
            "be too good",
            seen,
            len(student.validation),
        )
