"""The ways to learn, on the tiny run and parts that carry a new ring."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="torch is not installed: pip install torch")

import torch

from edge.inbox import MarkKind
from edge.quarantine import read_index
from edge.quarantine.drawn import mask_path
from edge.records import Box
from models.data.dataset import DataError
from models.evaluation.float_chain import detector_of
from models.evaluation.promise import FalseRejectPromise
from models.feedback import (
    FeedbackDataset,
    FeedbackSettings,
    Limits,
    RouteCandidate,
    follow,
    routes_of,
    write_run,
)
from models.feedback.dataset import new_entries, open_feedback_dataset, with_caught
from models.feedback.novel_regions import find_novel_regions
from models.feedback.partition import divide
from models.feedback.routes import FURTHER_STEPS, MARKED_SHARE, _weighted
from models.methods.base import Method, TrainedMethod, TrainingTask
from models.methods.registry import METHODS
from models.networks import DetectorNetwork
from models.runs.run import Run
from models.training.blocks import LabelledRegion
from models.training.patches import find_truncate
from models.training.recipe import Recipe
from tests.support.marked import pitted, place, quarantine, ringed
from tests.support.tinyrun import SIDE_PX

RINGS = 8
ESCAPE_GREY = 116  # of a pit that the tiny run passes


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight good parts with rings, a faint pit that passed and a plain pit that was ejected.

    All are released.
    """
    parts: list[tuple[NDArray[np.uint8], MarkKind]] = [
        (ringed(number), "false-reject") for number in range(RINGS)
    ]
    parts += [(pitted(50, ESCAPE_GREY), "escape"), (pitted(51), "true-reject")]
    return quarantine(tmp_path_factory.mktemp("marked"), parts)


@pytest.fixture
def feedback(tiny_run: Path, marked: Path) -> FeedbackDataset:
    run = Run(tiny_run)
    entries = new_entries(run.record(), read_index(marked).entries)
    divided = divide(entries, 0.25)
    old = FeedbackSettings(run.result().threshold, run.result().keep_severity)
    found = open_feedback_dataset(run, old, marked, divided.learned, divided.held_back)
    pictures = (*found.selection, *(each.picture for each in found.held_back))
    # The tiny run is right on its validation parts, and on marked ones according to the mark.
    caught = {
        p.sample.name: "escape" not in p.sample.kinds
        and (not p.sample.is_good or p.sample.name.startswith("quarantine/"))
        for p in pictures
    }
    detector = detector_of(run.load_detector(), 1)
    novel_regions = find_novel_regions(detector, found.learned_good, old.threshold)
    found = replace(found, novel_regions=novel_regions)
    return with_caught(found, caught)


def test_a_lesson_knows_its_sides(feedback: FeedbackDataset) -> None:
    assert (len(feedback.learned_good), len(feedback.escapes), len(feedback.held_back)) == (6, 1, 2)
    facts = feedback.facts
    assert facts.marked.sum() == 8
    assert facts.bad[facts.marked].sum() == 2
    assert facts.caught[facts.marked & facts.bad].sum() == 1  # the true reject: not to be lost
    held_back = {each.picture.sample.name for each in feedback.held_back}
    assert not held_back & {picture.sample.name for picture in feedback.selection}


def drawn_on(folder: Path, part_id: int, kind: str) -> Path:
    """A mask of a part as `outfeed label` writes it, on the pit of ``pitted``."""
    (entry,) = (each for each in read_index(folder).entries if each.part_id == part_id)
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    cv2.circle(mask, place(50), 7, 255, -1)
    path = mask_path(folder, entry, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), mask)
    return path


@pytest.fixture
def drawn(marked: Path, tmp_path: Path) -> Path:
    """The marked parts, with the pit of the escape drawn as the kind pit."""
    folder = tmp_path / "drawn"
    shutil.copytree(marked, folder)
    drawn_on(folder, RINGS + 1, "pit")
    return folder


def with_marks(feedback: FeedbackDataset, folder: Path) -> FeedbackDataset:
    """The same parts, read from another folder."""
    entries = new_entries(feedback.record, read_index(folder).entries)
    divided = divide(entries, 0.25)
    found = open_feedback_dataset(
        feedback.run, feedback.old, folder, divided.learned, divided.held_back
    )
    return replace(with_caught(found, feedback.caught), novel_regions=feedback.novel_regions)


def test_a_drawn_escape_is_an_annotated_part(feedback: FeedbackDataset, drawn: Path) -> None:
    found = with_marks(feedback, drawn)
    (picture,) = found.learned_drawn
    assert (picture.sample.kinds, picture.sample.unmasked) == (("pit",), False)
    assert found.escapes == ()
    expected = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    cv2.circle(expected, place(50), 7, 1 + found.dataset.kinds.index("pit"), -1)
    assert np.array_equal(picture.kind_map, expected)
    assert feedback.learned_drawn == ()


def test_the_detector_learns_from_a_drawn_escape(
    feedback: FeedbackDataset, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TrainingTask] = []
    method = METHODS["regression"]
    assert method.further is not None

    def spy(task: TrainingTask, network: DetectorNetwork) -> TrainedMethod:
        seen.append(task)
        assert method.further is not None
        return method.further(task, network)

    monkeypatch.setitem(METHODS, "regression", replace(method, further=spy))
    found = with_marks(feedback, drawn)
    candidate = follow("detector", found, Limits(), Run(tmp_path))
    times = sum(p.sample.name == found.learned_drawn[0].sample.name for p in seen[0].pictures)
    assert times == max(len(found.train) // 2, 1)
    assert isinstance(candidate, RouteCandidate)
    run = write_run(tmp_path / "new", found, candidate)
    record, (_, by_name) = run.record(), run.open_data()
    name = found.learned_drawn[0].sample.name
    assert name in record.train
    assert name not in record.unmasked
    assert by_name[name].kinds == ("pit",)
    assert by_name[name].masks[0].path.is_relative_to(run.folder)


def test_masks_that_cannot_be_learned_are_named(
    feedback: FeedbackDataset, drawn: Path, marked: Path, tmp_path: Path
) -> None:
    path = drawn_on(drawn, RINGS + 1, "stain")
    with pytest.raises(DataError, match=r"the run knows no kind 'stain'; expected one of bar, pit"):
        with_marks(feedback, drawn)
    path.unlink()
    drawn_on(drawn, 1, "pit")
    with pytest.raises(DataError, match="part 1, which is released as a good part"):
        with_marks(feedback, drawn)


def test_the_cheapest_way_comes_first(
    feedback: FeedbackDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert routes_of(feedback) == ("threshold", "classifier", "detector")
    monkeypatch.setitem(METHODS, "regression", replace(METHODS["regression"], good_only=True))
    assert routes_of(feedback) == ("threshold", "classifier", "method")


def test_threshold_leaves_the_networks_alone(feedback: FeedbackDataset, tmp_path: Path) -> None:
    found = follow(
        "threshold", replace(feedback, learned=feedback.learned[1:]), Limits(), Run(tmp_path)
    )
    assert isinstance(found, RouteCandidate)
    assert found.settings != feedback.old
    assert found.wrong < 6
    assert found.left_out is not None
    assert found.left_out[1] == 7
    for mine, name in ((found.detector, "detector"), (found.classifier, "classifier")):
        theirs = getattr(feedback.run, f"load_{name}")()
        for key, value in mine.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[key])


def test_the_classifier_is_trained_further(feedback: FeedbackDataset, tmp_path: Path) -> None:
    feedback = replace(feedback, learned=feedback.learned[1:])
    found = follow("classifier", feedback, Limits(), Run(tmp_path))
    old = feedback.run.load_classifier()
    assert isinstance(found, RouteCandidate)
    assert found.classifier is not None
    assert old is not None
    assert found.left_out is None
    assert found.wrong < 6
    theirs = dict(old.named_parameters())
    moved = [
        float((value - theirs[key]).abs().mean().detach())
        for key, value in found.classifier.named_parameters()
    ]
    assert 0 < np.mean(moved) < 0.1  # it was not begun anew


def test_the_detector_is_trained_further_on_the_new_look(
    feedback: FeedbackDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the classifier behind it."""
    seen: list[TrainingTask] = []
    method = METHODS["regression"]
    assert method.further is not None

    def spy(task: TrainingTask, network: DetectorNetwork) -> TrainedMethod:
        seen.append(task)
        assert method.further is not None
        return method.further(task, network)

    monkeypatch.setitem(METHODS, "regression", replace(method, further=spy))
    feedback = replace(feedback, learned=feedback.learned[1:])
    found = follow("detector", feedback, Limits(), Run(tmp_path))
    assert isinstance(found, RouteCandidate)
    (task,) = seen
    recipe = feedback.record.recipe
    assert task.recipe.detector.steps == FURTHER_STEPS * recipe.detector.steps
    assert task.recipe.detector.start is None
    assert task.recipe.labels.truncate == find_truncate(
        feedback.train, recipe.detector.resolution, recipe.labels
    )
    names = {picture.sample.name for picture in task.pictures}
    assert {picture.sample.name for picture in (*feedback.train, *feedback.learned_good)} <= names
    assert any("with the new region of quarantine/" in name for name in names)
    assert not any(p.sample.unmasked for p in task.pictures), "a part that nobody drew teaches none"
    assert found.wrong == 0
    old = dict(feedback.run.load_detector().named_parameters())
    assert isinstance(found.detector, DetectorNetwork)
    moved = [
        float((value - old[key]).abs().mean().detach())
        for key, value in found.detector.named_parameters()
    ]
    assert 0 < np.mean(moved) < 0.1
    assert found.left_out is None


def test_a_method_that_cannot_go_on_reports_it(
    feedback: FeedbackDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "regression", replace(METHODS["regression"], further=None))
    with pytest.raises(
        DataError, match="regression cannot be trained further; use the route method"
    ):
        follow("detector", feedback, Limits(), Run(tmp_path))


def test_marked_regions_are_a_share_of_their_label() -> None:
    box = Box(0, 0, 8, 8)
    others = [LabelledRegion(n, box, n % 2) for n in range(80)]
    marked = [LabelledRegion(100 + n, box, 0) for n in range(3)]
    found = _weighted(others, marked)
    background = [region for region in found if region.label == 0]
    share = sum(region.picture >= 100 for region in background) / len(background)
    assert share == pytest.approx(MARKED_SHARE, abs=0.01)
    assert {region.picture for region in found} == {*range(80), 100, 101, 102}
    assert sum(region.label for region in found) == 40  # the other label is as it was


def _recording(seen: list[TrainingTask], method: Method) -> Callable[[TrainingTask], TrainedMethod]:
    def train(task: TrainingTask) -> TrainedMethod:
        seen.append(task)
        assert method.build is not None
        torch.manual_seed(0)
        return TrainedMethod(method.build(task.recipe, task.channels).eval(), [(1, 0.5)])

    return train


def test_a_method_is_given_the_false_rejects_as_good_parts(
    feedback: FeedbackDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TrainingTask] = []
    method = METHODS["regression"]
    monkeypatch.setitem(
        METHODS, "regression", replace(method, train=_recording(seen, method), good_only=True)
    )
    off = feedback.record.recipe.classifier.model_copy(update={"enabled": False})
    recipe: Recipe = feedback.record.recipe.model_copy(update={"classifier": off})
    record = feedback.record.model_copy(update={"recipe": recipe})
    run = Run(tmp_path / "old")
    run.folder.mkdir()
    monkeypatch.setattr(run, "load_detector", feedback.run.load_detector)
    monkeypatch.setattr(run, "load_classifier", lambda: None)
    feedback = replace(feedback, record=record, run=run)
    follow(
        "method", feedback, Limits(new_escapes=100, more_false_rejects=1.0), Run(tmp_path / "new")
    )
    (task,) = seen
    names = {picture.sample.name for picture in task.good}
    assert {p.sample.name for p in feedback.learned_good} <= names
    assert not any(p.sample.unmasked for p in task.pictures)
    assert any("with the new region of" in name for name in names)
    placed = replace(METHODS["regression"], by_place=True)
    monkeypatch.setitem(METHODS, "regression", placed)
    follow(
        "method", feedback, Limits(new_escapes=100, more_false_rejects=1.0), Run(tmp_path / "new")
    )
    assert seen.pop().pictures == (*feedback.train, *feedback.learned_good)
    assert task.held_back == feedback.validation
    assert task.checkpoint == tmp_path / "new/detector.ckpt"


def test_a_new_run_is_whole_and_keeps_the_marked_parts(
    feedback: FeedbackDataset, tmp_path: Path
) -> None:
    promise = FalseRejectPromise(limit=0.005, good=4, rejected=0)
    promising = feedback.result.model_copy(update={"promise": promise})
    feedback = replace(feedback, learned=feedback.learned[1:], result=promising)
    found = follow("threshold", feedback, Limits(), Run(tmp_path))
    assert isinstance(found, RouteCandidate)
    run = write_run(tmp_path / "new", feedback, found)
    record, result = run.record(), run.result()
    assert result.promise is None, "it was made for another T"
    _, by_name = run.open_data()
    assert len(record.train) == len(feedback.record.train) + 6
    assert len(record.unmasked) == len(feedback.record.unmasked) + 1  # the true reject
    assert len(record.validation) == len(feedback.record.validation) + 2
    assert by_name[record.train[-1]].is_good
    assert by_name[record.train[-1]].image_path.is_relative_to(run.folder)
    assert (result.threshold, result.keep_severity) == (
        found.settings.threshold,
        found.settings.keep_severity,
    )
    assert result.reject_severity is None
    assert result.metrics["float"]["parts"] == len(record.validation)
    assert len(run.validation_list.read_text().splitlines()) == len(record.validation)
    # A part that the run has learned is not new.
    assert len(new_entries(record, read_index(feedback.folder).entries)) == 1
    index = run.quarantine / "quarantine.json"
    index.write_text(index.read_text().replace('"part_id": 1', '"part_id": -1'))
    with pytest.raises(DataError, match=r"quarantine\.json: key 'entries"):
        run.open_data()


@pytest.mark.parametrize(("above_t", "is_kept"), [(0.3, True), (-1.0, False)])
def test_a_new_run_keeps_the_reject_severity_where_it_is_above_the_new_t(
    feedback: FeedbackDataset, tmp_path: Path, above_t: float, is_kept: bool
) -> None:
    found = follow("threshold", feedback, Limits(), Run(tmp_path))
    assert isinstance(found, RouteCandidate)
    limit = found.settings.threshold + above_t
    settings = replace(found.settings, reject_severity=limit)
    result = write_run(tmp_path / "new", feedback, replace(found, settings=settings)).result()
    assert result.reject_severity == (limit if is_kept else None)


@pytest.mark.parametrize("is_kept", [True, False])
def test_the_reject_severity_is_dropped_where_no_settings_do_with_it(
    feedback: FeedbackDataset, tmp_path: Path, is_kept: bool
) -> None:
    """At 12 it lets every defective part pass, and just above T none."""
    limit = feedback.old.threshold + 0.01 if is_kept else 12.0
    changed = replace(feedback, old=replace(feedback.old, reject_severity=limit))
    found = follow("threshold", changed, Limits(), Run(tmp_path))
    assert isinstance(found, RouteCandidate)
    assert found.settings.reject_severity == (limit if is_kept else None)
    assert str(found.settings).endswith(f"reject_severity {limit:g}") is is_kept
