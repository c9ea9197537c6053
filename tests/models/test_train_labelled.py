"""Training as a whole, by the command, on folders with label files of another tool."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

pytest.importorskip("torch")

from models.runs.run import Run
from tests.support import label_exports as exports
from tests.support.preloaded import run_module
from tests.support.tinyrun import SIDE_PX, write_pictures

ROOT = Path(__file__).resolve().parents[2]
SIZE = (SIDE_PX, SIDE_PX)
RECIPE = """\
name = "tiny"
[split]
validation_share = 0.3
[labels]
truncate = 0.0
floor = 6.0
coverage = true
defect_pixels_only = true
[augment]
rotate_deg = 0.0
shift_px = 8
[detector]
network = "lean"
start = "imagenet"
patch_px = 64
steps = 80
batch = 8
learning_rate = 3e-3
ema = 0.9
precision = "float32"
[classifier]
enabled = false
"""


def drawn_in(folder: Path) -> dict[str, exports.Drawn]:
    """The masks of a folder of `write_pictures`, which are then removed."""
    drawn: dict[str, exports.Drawn] = {}
    for path in sorted((folder / "images").iterdir()):
        masks = sorted(folder.glob(f"masks/*/{path.name}"))
        drawn[path.name] = [
            (mask.parent.name, cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE) > 0) for mask in masks
        ]
        for mask in masks:
            mask.unlink()
    for empty in (*folder.glob("masks/*"), folder / "masks"):
        empty.rmdir()
    return drawn


def write_coco(folder: Path, drawn: dict[str, exports.Drawn]) -> None:
    pictures = {name: (SIZE, shapes) for name, shapes in drawn.items()}
    exports.coco(folder / "annotations.json", pictures, "compressed")


def write_labelme(folder: Path, drawn: dict[str, exports.Drawn]) -> None:
    for name, shapes in drawn.items():
        file = folder / "images" / f"{Path(name).stem}.json"
        exports.labelme(file, name, SIZE, shapes, "polygon")


@pytest.mark.parametrize("write", [write_coco, pytest.param(write_labelme, marks=pytest.mark.slow)])
def test_a_network_learns_from_label_files(tmp_path: Path, write: object) -> None:
    data = write_pictures(tmp_path / "data", 24)
    assert callable(write)
    write(data, drawn_in(data))
    (tmp_path / "tiny.toml").write_text(RECIPE)
    words = ("--data", data, "--threads", 1, "--recipe", tmp_path / "tiny.toml")
    done = run_module("models.training", *words, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    run = Run(tmp_path / "run")
    assert (run.record().layout, run.record().kinds) == ("labels", ("bar", "pit"))
    metrics = run.result().metrics["float"]
    assert metrics["image_ap"] > 0.95
    assert metrics["mean_iou"] > 0.5
    assert (run.folder / "report.html").is_file()


def test_a_fault_of_the_labels_ends_the_training_in_one_line(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 3)
    write_coco(data, drawn_in(data))
    (data / "images/001.png").unlink()
    done = run_module("models.training", "--data", data, "--out", tmp_path / "run")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"train: {data}/annotations.json: image 2: names the picture 001.png, which is not in the "
        "folder"
    )
