"""Scoring what outfeed inspect wrote."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.__main__ import main as command
from models.data.dataset import DataError
from models.data.layouts import open_dataset
from models.evaluation.metrics import summarise
from models.evaluation.score import main, score
from tests.support.bundles import CLEAN, HOLE, STAIN, small_bundle
from tests.support.folders import put
from tests.support.inspect_results import write_results
from tests.support.tinyrun import SIDE_PX, write_pictures


def test_a_perfect_report_scores_one(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 12)
    metrics = summarise(score(open_dataset(data), *write_results(tmp_path / "out", data)))
    assert (metrics.parts, metrics.defective) == (12, 8)
    assert metrics.mean_iou == metrics.pixel_f1 == metrics.image_ap == 1.0
    assert (metrics.escapes, metrics.false_rejects) == (0, 0)
    assert metrics.defect_recall_50_kind == 1.0


def test_a_forgotten_defect_is_an_escape(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 12)
    reported = write_results(tmp_path / "out", data, forget="000.png")
    metrics = summarise(score(open_dataset(data), *reported))
    assert metrics.escapes == 1
    assert metrics.mean_iou == pytest.approx(7 / 8)
    assert metrics.defect_recall_50 == pytest.approx(7 / 8)


@pytest.mark.parametrize(
    ("line", "says"),
    [("{", "results.jsonl:1"), ('{"file": "nowhere.png"}', "results.jsonl:1")],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    data = write_pictures(tmp_path / "data", 6)
    results = tmp_path / "results.jsonl"
    results.write_text(line + "\n")
    with pytest.raises(DataError, match=says):
        score(open_dataset(data), results, tmp_path)


def test_an_unknown_file_and_a_wrong_mask_are_named(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 6)
    results, masks = write_results(tmp_path / "out", data)
    cv2.imwrite(str(masks / "001.png"), np.zeros((SIDE_PX, SIDE_PX + 1), np.uint8))
    with pytest.raises(DataError, match=r"001\.png: the mask is not of its image's size"):
        score(open_dataset(data), results, masks)
    results.write_text(results.read_text().replace("000.png", "other.png"))
    with pytest.raises(DataError, match=r"other\.png: is 0 images"):
        score(open_dataset(data), results, masks)


def test_what_inspect_writes_of_a_whole_folder_is_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Flat masks, and pictures in a form that training once passed over: the bad parts are bad."""
    data = tmp_path / "data"
    for number, pixels in enumerate((CLEAN, HOLE, STAIN, CLEAN)):
        put(data / f"images/{number}.webp", cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
    for number, spot in ((1, (slice(30, 42), slice(40, 56))), (2, (slice(30, 42), slice(40, 56)))):
        drawn = np.zeros(CLEAN.shape, np.uint8)
        drawn[spot] = 255
        put(data / f"masks/{number}.png", drawn)
    bundle = small_bundle(tmp_path / "small.outfeed")
    results, masks = tmp_path / "results.jsonl", tmp_path / "masks"
    arguments = ["inspect", data, "-b", bundle, "--out", results, "--masks", masks]
    assert command([str(argument) for argument in arguments]) == 0
    main(data, results, masks)
    shown = capsys.readouterr().out
    assert "taken as good: 2 (images/ 2)" in shown
    metrics = summarise(score(open_dataset(data), results, masks))
    assert (metrics.parts, metrics.defective) == (4, 2)
    assert (metrics.escapes, metrics.false_rejects) == (0, 0)


def test_a_part_that_is_reported_twice_is_refused(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 6)
    results, masks = write_results(tmp_path / "out", data)
    results.write_text(results.read_text() + results.read_text().splitlines()[0] + "\n")
    with pytest.raises(DataError, match=r"results\.jsonl:7: 000\.png was scored before"):
        score(open_dataset(data), results, masks)


def test_files_of_one_name_in_sub_folders_are_told_apart(tmp_path: Path) -> None:
    """As `inspect FOLDER/images` names them: a.png, sub/a.png."""
    data, masks = tmp_path / "data", tmp_path / "masks"
    put(data / "images/a.png", CLEAN)
    put(data / "images/line2/a.png", HOLE)
    drawn = (HOLE < 60).astype(np.uint8) * 255
    put(data / "masks/hole/line2/a.png", drawn)
    put(masks / "a.png", np.zeros_like(drawn))
    put(masks / "line2/a.png", drawn)
    lines = [
        {"file": "a.png", "decision": "PASS", "score": 1.0, "defects": []},
        {"file": "line2/a.png", "decision": "REJECT", "score": 9.0, "defects": []},
    ]
    results = tmp_path / "results.jsonl"
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = score(open_dataset(data), results, masks)
    assert [(each.name, each.defective, each.rejected) for each in found] == [
        ("images/a.png", False, False),
        ("images/line2/a.png", True, True),
    ]


def test_what_inspect_judged_outside_the_data_set_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = write_pictures(tmp_path / "data", 6)
    results, masks = write_results(tmp_path / "out", data)
    put(data / "old/x.png", CLEAN)
    line = {"file": "old/x.png", "decision": "PASS", "score": 1.0, "defects": []}
    results.write_text(results.read_text() + json.dumps(line) + "\n")
    assert len(score(open_dataset(data), results, masks)) == 6
    assert "not-scored file=old/x.png: no picture of the data set" in caplog.text
