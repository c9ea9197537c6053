"""The reference statistics that good pictures give a bundle."""

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from bench.drift_line import DriftLine
from edge.chain.inspector import Inspection
from edge.drift import streams
from edge.drift.reference import parse_reference
from edge.records import Decision, Frame, Verdict
from export import reference
from export.errors import ExportError
from export.reference import reference_file, reference_of
from models.data.dataset import Sample
from models.training.patches import Picture


def test_a_reference_of_good_pictures() -> None:
    line = DriftLine(1)
    pictures = list(line.parts(40))
    found = parse_reference(reference_of(pictures, [0.5] * 20 + [1.5] * 20).data())
    assert found.pictures == 40
    assert found.levels[streams.SCORE] == 1.0
    assert found.levels[streams.BRIGHTNESS] == pytest.approx(
        np.mean([np.log(p.mean() + 1) for p in pictures]), abs=0.01
    )
    assert found.decoded_template() is not None
    assert np.abs(found.levels[streams.POSITION]).max() < 0.1


def test_loose_surfaces_and_no_peaks() -> None:
    found = reference_of(list(DriftLine(1, aligned=False).parts(30)))
    assert found.decoded_template() is None
    assert np.flatnonzero(np.isnan(found.levels)).tolist() == [6, 7, 8]


def test_the_same_pictures_give_the_same_bytes() -> None:
    pictures = list(DriftLine(2).parts(16))
    assert reference_of(pictures).data() == reference_of(pictures).data()


def test_too_little_to_say_anything_by() -> None:
    pictures = list(DriftLine(2).parts(16))
    with pytest.raises(
        ExportError, match="15 good pictures; a reference for drift detection needs 16"
    ):
        reference_of(pictures[:15])
    with pytest.raises(ExportError, match="3 peaks of 16 pictures"):
        reference_of(pictures, [1.0, 2.0, 3.0])


class SourceStandIn:
    """As far as a reference asks: pictures held back, and training ones by name."""

    def __init__(self, held_back: list, train: list, pixels: dict) -> None:
        self.held_back, self.train, self.dataset = held_back, train, self
        self._pixels = pixels

    def load_image(self, sample: Sample) -> np.ndarray:
        return self._pixels[sample.name]


class Chain:
    """Severity by the name's turn; rejects every fourth."""

    def __init__(self) -> None:
        self.seen = 0

    def examine(self, frame: Frame) -> Inspection:
        self.seen += 1
        decision = Decision.REJECT if self.seen % 4 == 0 else Decision.PASS
        verdict = Verdict(0, decision, "", (), 2.0 if self.seen % 4 else 9.0, None)
        return Inspection(verdict, None, None, ())


def source(held_back: int, train: int, *, bad: int = 0) -> SourceStandIn:
    line = DriftLine(3)

    def sample(name: str, kinds: tuple[str, ...] = ()) -> Sample:
        return Sample(name, Path(name), name, kinds)

    held = [Picture(sample(f"h{n}"), line.part(), None) for n in range(held_back)]
    held += [Picture(sample(f"b{n}", ("pit",)), line.part(), None) for n in range(bad)]
    samples = [sample(f"t{n}") for n in range(train)] + [sample("tb", ("pit",))]
    return SourceStandIn(held, samples, {f"t{n}": line.part() for n in range(train)})


def test_good_parts_held_back_and_trained_on() -> None:
    chain = Chain()
    files = reference_file(source(20, 30, bad=5), chain)
    found = parse_reference(files["reference.json"])
    assert chain.seen == 20  # neither defective parts nor those that it was trained on
    assert (found.pictures, found.scored) == (50, 15)
    assert found.levels[streams.SCORE] == 2.0  # of those that passed


def test_no_more_than_are_needed(monkeypatch) -> None:
    monkeypatch.setattr(reference, "MOST_PICTURES", 24)
    files = reference_file(source(10, 40), Chain())
    assert parse_reference(files["reference.json"]).pictures == 24
    monkeypatch.setattr(reference, "_MOST_BYTES", 20 * 192 * 192)
    files = reference_file(source(10, 40), Chain())
    assert parse_reference(files["reference.json"]).pictures == 20


def test_a_run_with_few_good_parts_has_none(caplog) -> None:
    assert reference_file(source(5, 10), Chain()) == {}
    assert "15 good pictures, drift detection needs 16" in caplog.text


def test_a_bundle_of_a_run_holds_it(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from export.options import ExportOptions
    from export.pack import build_bundle
    from models.runs.run import Run
    from models.training.session import train_folder
    from tests.support.drawn_frames import frame, recipe

    (tmp_path / "data" / "images").mkdir(parents=True)
    for number in range(24):
        cv2.imwrite(str(tmp_path / f"data/images/{number:02d}.png"), frame(number))
    train_folder(tmp_path / "data", recipe("template"), tmp_path / "run")
    bundle = build_bundle(Run(tmp_path / "run"), ExportOptions(name="plates")).bundle
    assert bundle.manifest.reference == "reference.json"
    found = parse_reference(bundle.files["reference.json"])
    assert found.pictures == 24
    assert found.decoded_template() is None  # these plates are shifted and turned, each by its own
