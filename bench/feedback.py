"""Measure retraining from feedback on a simulated line: ``python -m bench.feedback``.

A detector is trained on generated parts and exported. Then the line changes: its good parts get a
new, harmless appearance. A station (``outfeed run``) inspects such parts. A simulated operator
marks every rejected part as false or true reject, and a share of the escapes (``outfeed mark``).
The marks pass through inbox, journal, picture store, ``outfeed quarantine`` and ``make learn`` as
on a line. Then both bundles inspect later parts of both appearances, which no training used.
"""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Annotated, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import torch
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table

from bench.shifts import SHIFTS, FeedbackPart, Pixels, parts, specimens
from edge.__main__ import main as outfeed
from edge.bundle import Bundle, read_bundle, sign_bundle, write_bundle
from edge.bundle.keys import public_of, public_text
from edge.chain.inspector import Inspector
from edge.errors import OutfeedError
from edge.events.event import PartEvent
from edge.events.identity import parse_payload
from edge.journal.reader import JournalReader
from export.errors import ExportError
from export.feedback.comparison import open_chain, rejected
from export.feedback.retraining import LearnOptions, RetrainingResult, learn
from export.options import ExportOptions
from export.pack import build_bundle
from export.parity import ParityLimits
from export.record import record_of
from models.data.dataset import DataError, Sample
from models.data.textures import KINDS
from models.evaluation.interval import counted
from models.feedback import ROUTES, Route
from models.report.exported import write_export
from models.runs.run import Run
from models.training.patches import Picture
from models.training.recipe import Recipe, load_recipe
from models.training.session import train_folder

Flags: TypeAlias = npt.NDArray[np.bool_]

TRAINING, SHIFTED, LATER = 0, 1, 2  # series of parts; no part is in two of them
RECIPE = Recipe.model_validate(
    {
        "name": "shift",
        "split": {"validation_share": 0.4},
        "labels": {"truncate": 0.0, "floor": 6.0, "coverage": True, "defect_pixels_only": True},
        "augment": {"rotate_deg": 5.0, "shift_px": 24},
        "detector": {
            "network": "nano",
            "patch_px": 96,
            "steps": 1500,
            "batch": 8,
            "learning_rate": 3e-3,
            "ema": 0.98,
            "precision": "float32",
        },
        "classifier": {"steps": 800, "batch": 32, "ema": 0.98},
    }
)
# A detector that trains for some minutes is not for production: its int8 form may differ more.
PARITY = ParityLimits(kinds=0.75, missed=0.1, regions=0.7, mask_iou=0.7)
STATION = """\
id = "press-3"
bundle = "{bundle}"
state_dir = "state"
[camera]
kind = "files"
path = "frames"
[trigger]
rate_hz = 8.0
[line]
travel_ms = 400.0
budget_ms = 300.0
pulse_ms = 4.0
[pictures]
pass_every = 1
min_free_mb = 0
[trust]
keys = ["{key}"]
[uplink]
start = false
"""


@dataclass(frozen=True, slots=True)
class PartGroup:
    """Later parts of one sort, and the numbers of wrong verdicts.

    before, after: wrong verdicts of the old and the new bundle. new: those of the new bundle alone.
    """

    name: str
    total: int
    before: int
    after: int
    new: int


@dataclass(frozen=True, slots=True)
class ShiftRun:
    """The options of the command. found: share of the escapes that the operator detects."""

    work: Path
    shift: str
    recipe: str
    training: int
    line: int
    count: int
    found: float
    routes: tuple[Route, ...]
    clear: bool


def write_training(folder: Path, count: int, *, clear: bool) -> None:
    """Write training data in the generic layout, as ``models.data.textures`` does."""
    for number, made in enumerate(specimens(TRAINING, count, 0.5, clear=clear)):
        _write(folder / "images" / f"{number:04d}.png", made.image)
        if made.kind is not None:
            mask = (made.kind_map == KINDS.index(made.kind) + 1).astype(np.uint8) * 255
            _write(folder / "masks" / made.kind / f"{number:04d}.png", mask)


def first_bundle(
    work: Path, recipe: Recipe, count: int, key: Ed25519PrivateKey, *, clear: bool
) -> Path:
    """Train and export a bundle, or use the one of an earlier call. Return its path."""
    run = work / "run"
    path = run / "shift.outfeed"
    if not path.exists():
        write_training(work / "data", count, clear=clear)
        train_folder(work / "data", recipe, run)
        options = ExportOptions(
            name="shift",
            calibration_frames=48,
            search_parts=60,
            formats=("onnx",),
            limits=PARITY,
        )
        exported = build_bundle(Run(run), options)
        write_export(run, record_of(exported, path.name))
        write_bundle(path, exported.data)
    write_bundle(path, sign_bundle(path.read_bytes(), key))
    return path


def inspect(
    work: Path, bundle: Path, inspected: Sequence[FeedbackPart], key: Ed25519PrivateKey
) -> None:
    """Run a station that inspects each part once, in order, and stores every picture."""
    shutil.rmtree(work / "frames", ignore_errors=True)
    for number, part in enumerate(inspected):
        _write(work / "frames" / f"{number:05d}.png", part.pixels)
    text = STATION.format(bundle=bundle.resolve(), key=public_text(public_of(key)))
    (work / "station.toml").write_text(text, encoding="utf-8")
    _outfeed("--quiet", "run", "--config", str(work / "station.toml"))


def mark(work: Path, inspected: Sequence[FeedbackPart], found: float) -> tuple[int, int, int]:
    """Mark every rejected part, and the share ``found`` of the escapes, as an operator would.

    Return the numbers of false rejects, escapes and true rejects.
    """
    false_rejects = escapes = passed = true_rejects = 0
    with JournalReader(work / "state/journal.sqlite") as reader:
        events = [parse_payload(row.payload)[1] for row in reader.read(None, 100_000)]
    for event in events:
        if not isinstance(event, PartEvent) or event.part_id > len(inspected):
            continue
        part, decision = inspected[event.part_id - 1], event.decision.value
        if decision == "REJECT" and not part.bad:
            _mark(work, event.part_id, "false-reject")
            false_rejects += 1
        elif decision == "REJECT":
            _mark(work, event.part_id, "true-reject")
            true_rejects += 1
        elif decision == "PASS" and part.bad:
            passed += 1
            if int(passed * found) > int((passed - 1) * found):
                _mark(work, event.part_id, "escape")
                escapes += 1
    return false_rejects, escapes, true_rejects


def inspect_later_parts(
    old: Bundle, new: Bundle, count: int, shift: str, *, clear: bool
) -> list[PartGroup]:
    """Inspect later parts of both appearances with both bundles.

    A defective part may be rejected for its new appearance alone. So one group has only the parts
    whose defect the old bundle finds without that appearance.
    """
    chains = open_chain(old), open_chain(new)
    groups = []
    for appearance, name in ((None, "old appearance"), (shift, f"new appearance ({shift})")):
        for bad in (False, True):
            series = LATER + (appearance is not None) * 2 + bad
            inspected = parts(series, count, float(bad), appearance, clear=clear)
            before, after = (_rejected(chain, inspected) != bad for chain in chains)
            sort = "defective parts passed" if bad else "good parts rejected"
            groups.append(_count_group(f"{name}: {sort}", before, after))
            if bad and appearance is not None:
                plain = _rejected(chains[0], parts(series, count, 1.0, None, clear=clear))
                sort = "of these, defect found without the appearance, passed"
                groups.append(_count_group(f"{name}: {sort}", before[plain], after[plain]))
    return groups


def _count_group(name: str, before: Flags, after: Flags) -> PartGroup:
    new = int((after & ~before).sum())
    return PartGroup(name, len(before), int(before.sum()), int(after.sum()), new)


def _rejected(chain: Inspector, inspected: Sequence[FeedbackPart]) -> Flags:
    return np.array([rejected(chain, _picture(part)) for part in inspected], np.bool_)


def _picture(part: FeedbackPart) -> Picture:
    return Picture(Sample("later", Path("later"), "later"), part.pixels, part.pixels)


def _mark(work: Path, part_id: int, kind: str) -> None:
    config = str(work / "station.toml")
    _outfeed("--quiet", "mark", "--config", config, str(part_id), "--as", kind)


def _outfeed(*arguments: str, allowed: tuple[int, ...] = (0,)) -> None:
    with redirect_stdout(StringIO()) as output:
        status = outfeed(list(arguments))
    if status not in allowed:
        raise OutfeedError(
            f"outfeed {' '.join(arguments)} ended with {status}: {output.getvalue()}"
        )


def _write(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def main(
    work: Annotated[
        Path, typer.Option(help="Working folder; an existing run in it is used again.")
    ],
    shift: Annotated[
        str, typer.Option(help=f"New appearance: one of {', '.join(SHIFTS)}.")
    ] = "stamp",
    recipe: Annotated[
        str, typer.Option(help="Name or file of a recipe. [default: a small regression]")
    ] = "",
    training: Annotated[int, typer.Option(min=20, help="Parts to train and validate on.")] = 400,
    line: Annotated[
        int, typer.Option(min=10, help="Parts of the new appearance on the line.")
    ] = 60,
    count: Annotated[int, typer.Option(min=1, help="Later parts of each sort.")] = 200,
    found: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the escapes that the operator marks.")
    ] = 0.2,
    clear: Annotated[
        bool, typer.Option("--clear", help="Leave out defects that are hardly visible.")
    ] = False,
    routes: Annotated[str, typer.Option(help="Routes to take, each separately.")] = (
        "threshold,classifier,detector"
    ),
) -> None:
    """Change the appearance of parts, mark, retrain, and count wrong verdicts on later parts."""
    console = Console()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        chosen = _routes(routes)
        run = ShiftRun(work, shift, recipe, training, line, count, found, chosen, clear)
        _bench(console, run)
    except (OutfeedError, ExportError, DataError) as error:
        console.print(f"[red]feedback:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)


def _bench(console: Console, run: ShiftRun) -> None:
    """Simulate the line, then retrain by each route and print its table."""
    if run.shift not in SHIFTS:
        raise DataError(f"--shift {run.shift}: expected {', '.join(SHIFTS)}")
    key = Ed25519PrivateKey.generate()
    recipe = load_recipe(run.recipe) if run.recipe else RECIPE
    bundle = first_bundle(run.work, recipe, run.training, key, clear=run.clear)
    console.print(_collect_feedback(run, bundle, key))
    for route in run.routes:
        out = run.work / f"run-{route}"
        shutil.rmtree(out, ignore_errors=True)
        begin = time.monotonic()
        options = LearnOptions(
            routes=(route,), parity=PARITY, calibration_frames=48, search_parts=60
        )
        try:
            made = learn(
                Run(run.work / "run"), read_bundle(bundle), run.work / "quarantine", out, options
            )
        except ExportError as error:
            console.print(f"{route}: refused: {error}", highlight=False, soft_wrap=True)
            continue
        duration_s = time.monotonic() - begin
        groups = inspect_later_parts(
            read_bundle(bundle), made.bundle, run.count, run.shift, clear=run.clear
        )
        console.print(_table(route, made, groups, duration_s))
        console.print(made.record.proven, highlight=False, soft_wrap=True)


def _collect_feedback(run: ShiftRun, bundle: Path, key: Ed25519PrivateKey) -> str:
    """Inspect shifted parts, mark, collect and release them. Return a summary."""
    work = run.work
    for name in ("state", "quarantine"):
        shutil.rmtree(work / name, ignore_errors=True)
    inspected = parts(SHIFTED, run.line, 0.3, run.shift, clear=run.clear)
    inspect(work, bundle, inspected, key)
    false_rejects, escapes, true_rejects = mark(work, inspected, run.found)
    while any((work / "state/inbox").iterdir()):
        inspect(work, bundle, inspected[:1], key)  # each run reads some of the marks
    config, folder = str(work / "station.toml"), str(work / "quarantine")
    _outfeed("quarantine", "collect", "--config", config, "--out", folder)
    _outfeed("quarantine", "release", folder, "--all", "--by", "bench")
    good = sum(not part.bad for part in inspected)
    return (
        f"{run.line} parts of the new appearance on the line, {good} good: "
        f"{false_rejects} marked false-reject, {true_rejects} true-reject, {escapes} escape"
    )


def _table(
    route: Route, made: RetrainingResult, groups: Sequence[PartGroup], duration_s: float
) -> Table:
    before, after = made.record.before, made.record.after
    table = Table(
        f"{route}: T {before.threshold:g} → {after.threshold:g}, keep_severity "
        f"{before.keep_severity or 0:g} → {after.keep_severity or 0:g}, {duration_s:.0f} s",
        "before",
        "now",
        "only now",
    )
    for group in groups:
        table.add_row(
            group.name,
            counted(group.before, group.total),
            counted(group.after, group.total),
            str(group.new),
        )
    return table


def _routes(text: str) -> tuple[Route, ...]:
    routes = tuple(route for route in ROUTES if route in text.split(","))
    if len(routes) != len(text.split(",")):
        raise DataError(f"--routes {text}: expected some of {', '.join(ROUTES)}")
    return routes


if __name__ == "__main__":
    typer.run(main)
