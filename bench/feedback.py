"""A scripted shift, and what learning from the operators' marks makes of it: ``python -m
bench.feedback``.

A detector is trained on generated parts and exported. Then the line changes: its good parts carry
something new and harmless. A station (``outfeed run``) inspects such parts; whoever stands at the
reject bin marks what was kicked, wrongly or rightly, and a share of what was let by (``outfeed
mark``); the marks go through inbox, journal, album, ``outfeed quarantine`` and ``make learn`` as on
a line. The old and the new bundle then judge later parts of both looks, which nobody has seen.
"""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
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

from bench.shifts import SHIFTS
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
from export.feedback.retraining import Learned, LearnOptions, learn
from export.pack import ExportOptions, export_run
from export.parity import ParityLimits
from export.record import record_of
from models.data.dataset import DataError, Sample
from models.data.textures import KINDS, Specimen, specimen
from models.evaluation.tradeoff.interval import counted
from models.feedback import ROUTES, Route
from models.report.exported import write_export
from models.runs.run import Run
from models.training.__main__ import train
from models.training.patches import Picture
from models.training.recipe import Recipe, load_recipe

Pixels: TypeAlias = npt.NDArray[np.uint8]
Flags: TypeAlias = npt.NDArray[np.bool_]

SIDE_PX, TEXTURE = 128, "brushed"
CLEAR_GREY = 25.0
TRAINING, SHIFTED, LATER = 0, 1, 2  # series of parts; no part is in two
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
# A detector of minutes is no product: its int8 form may differ more than a shipped one's.
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
class Part:
    """A part and the truth about it."""

    pixels: Pixels
    bad: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Later parts of one sort, and how many of them either bundle judges wrongly. new: of those,
    how many only the new one does."""

    name: str
    total: int
    before: int
    after: int
    new: int


def specimens(
    series: int, count: int, defective: float, *, clear: bool = False
) -> Iterator[Specimen]:
    """Generated parts. clear: without those whose defect can hardly be seen."""
    index = 0
    while count:
        made = specimen(
            100 + series, index, (SIDE_PX, SIDE_PX), defective=defective, texture=TEXTURE
        )
        index += 1
        if made.kind is None or not clear or _contrast(made) >= CLEAR_GREY:
            count -= 1
            yield made


def _contrast(made: Specimen) -> float:
    """Grey levels by which the defect's plainest tenth differs from what is around at the least."""
    off = np.abs(made.image.astype(np.float32) - cv2.medianBlur(made.image, 31))
    return float(np.percentile(cv2.blur(off, (3, 3))[made.kind_map > 0], 90))


def parts(
    series: int, count: int, defective: float, shift: str | None = None, *, clear: bool = False
) -> list[Part]:
    """Parts of a series, with a shift or without."""
    found = []
    for number, made in enumerate(specimens(series, count, defective, clear=clear)):
        pixels = made.image
        if shift is not None:
            pixels = SHIFTS[shift](pixels, np.random.default_rng([series, number]))
        found.append(Part(pixels, made.kind is not None))
    return found


def write_training(folder: Path, count: int, *, clear: bool) -> None:
    """In the generic layout, as ``models.data.textures`` writes it."""
    for number, made in enumerate(specimens(TRAINING, count, 0.5, clear=clear)):
        _write(folder / "images" / f"{number:04d}.png", made.image)
        if made.kind is not None:
            mask = (made.kind_map == KINDS.index(made.kind) + 1).astype(np.uint8) * 255
            _write(folder / "masks" / made.kind / f"{number:04d}.png", mask)


def first_bundle(
    work: Path, recipe: Recipe, count: int, key: Ed25519PrivateKey, *, clear: bool
) -> Path:
    """Train and export; what an earlier call made is taken."""
    run = work / "run"
    path = run / "shift.outfeed"
    if not path.exists():
        write_training(work / "data", count, clear=clear)
        train(work / "data", recipe, run)
        options = ExportOptions(
            name="shift",
            calibration_frames=48,
            search_parts=60,
            formats=("onnx",),
            limits=PARITY,
        )
        exported = export_run(Run(run), options)
        write_export(run, record_of(exported, path.name))
        write_bundle(path, exported.data)
    write_bundle(path, sign_bundle(path.read_bytes(), key))
    return path


def inspect(work: Path, bundle: Path, shown: Sequence[Part], key: Ed25519PrivateKey) -> None:
    """A station that sees each part once, in turn, and keeps every picture."""
    shutil.rmtree(work / "frames", ignore_errors=True)
    for number, part in enumerate(shown):
        _write(work / "frames" / f"{number:05d}.png", part.pixels)
    text = STATION.format(bundle=bundle.resolve(), key=public_text(public_of(key)))
    (work / "station.toml").write_text(text, encoding="utf-8")
    _outfeed("--quiet", "run", "--config", str(work / "station.toml"))


def mark(work: Path, shown: Sequence[Part], found: float) -> tuple[int, int, int]:
    """What an operator says of the parts: of every one that was kicked, and of this share of the
    bad ones that were let by. How many false rejects, escapes, true rejects."""
    false_rejects = escapes = seen = true_rejects = 0
    with JournalReader(work / "state/journal.sqlite") as reader:
        events = [parse_payload(row.payload)[1] for row in reader.read(None, 100_000)]
    for event in events:
        if not isinstance(event, PartEvent) or event.part_id > len(shown):
            continue
        part, decision = shown[event.part_id - 1], event.decision.value
        if decision == "REJECT" and not part.bad:
            _mark(work, event.part_id, "false-reject")
            false_rejects += 1
        elif decision == "REJECT":
            _mark(work, event.part_id, "true-reject")
            true_rejects += 1
        elif decision == "PASS" and part.bad:
            seen += 1
            if int(seen * found) > int((seen - 1) * found):
                _mark(work, event.part_id, "escape")
                escapes += 1
    return false_rejects, escapes, true_rejects


def later(old: Bundle, new: Bundle, count: int, shift: str, *, clear: bool) -> list[Group]:
    """Parts that came after, of either look. A defective part of the new look may be kicked for the
    look alone, so those are counted too whose defect the old bundle finds without it."""
    chains = open_chain(old), open_chain(new)
    groups = []
    for look, name in ((None, "old look"), (shift, f"new look ({shift})")):
        for bad in (False, True):
            series = LATER + (look is not None) * 2 + bad
            shown = parts(series, count, float(bad), look, clear=clear)
            before, after = (_kicked(chain, shown) != bad for chain in chains)
            sort = "defective parts let by" if bad else "good parts kicked"
            groups.append(_group(f"{name}: {sort}", before, after))
            if bad and look is not None:
                plain = _kicked(chains[0], parts(series, count, 1.0, None, clear=clear))
                sort = "of these whose defect was found without it, let by"
                groups.append(_group(f"{name}: {sort}", before[plain], after[plain]))
    return groups


def _group(name: str, before: Flags, after: Flags) -> Group:
    new = int((after & ~before).sum())
    return Group(name, len(before), int(before.sum()), int(after.sum()), new)


def _kicked(chain: Inspector, shown: Sequence[Part]) -> Flags:
    return np.array([rejected(chain, _picture(part)) for part in shown], np.bool_)


def _picture(part: Part) -> Picture:
    return Picture(Sample("later", Path("later"), "later"), part.pixels, part.pixels)


def _mark(work: Path, part_id: int, kind: str) -> None:
    config = str(work / "station.toml")
    _outfeed("--quiet", "mark", "--config", config, str(part_id), "--as", kind)


def _outfeed(*arguments: str, allowed: tuple[int, ...] = (0,)) -> None:
    with redirect_stdout(StringIO()) as said:
        status = outfeed(list(arguments))
    if status not in allowed:
        raise OutfeedError(f"outfeed {' '.join(arguments)} ended with {status}: {said.getvalue()}")


def _write(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def main(
    work: Annotated[Path, typer.Option(help="Folder to work in; its run is used again.")],
    shift: Annotated[str, typer.Option(help=f"One of {', '.join(SHIFTS)}.")] = "stamp",
    recipe: Annotated[
        str, typer.Option(help="A recipe's name or file; the bench's own small regression.")
    ] = "",
    training: Annotated[int, typer.Option(min=20, help="Parts to train and validate on.")] = 400,
    line: Annotated[int, typer.Option(min=10, help="Parts of the new look on the line.")] = 60,
    count: Annotated[int, typer.Option(min=1, help="Later parts of each sort.")] = 200,
    found: Annotated[float, typer.Option(min=0, max=1, help="Share of escapes found.")] = 0.2,
    clear: Annotated[bool, typer.Option("--clear", help="No defect that is hard to see.")] = False,
    routes: Annotated[str, typer.Option(help="Those to take, each on its own.")] = (
        "threshold,classifier,detector"
    ),
) -> None:
    """Shift a line, mark, learn, and count on later parts."""
    console = Console()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        _bench(console, work, shift, recipe, training, line, count, found, _routes(routes), clear)
    except (OutfeedError, ExportError, DataError) as error:
        console.print(f"[red]learning:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)


def _bench(
    console: Console,
    work: Path,
    shift: str,
    recipe: str,
    training: int,
    line: int,
    count: int,
    found: float,
    routes: Sequence[Route],
    clear: bool,
) -> None:
    if shift not in SHIFTS:
        raise DataError(f"--shift {shift}: expected {', '.join(SHIFTS)}")
    key = Ed25519PrivateKey.generate()
    bundle = first_bundle(
        work, load_recipe(recipe) if recipe else RECIPE, training, key, clear=clear
    )
    for name in ("state", "quarantine"):
        shutil.rmtree(work / name, ignore_errors=True)
    shown = parts(SHIFTED, line, 0.3, shift, clear=clear)
    inspect(work, bundle, shown, key)
    false_rejects, escapes, true_rejects = mark(work, shown, found)
    while any((work / "state/inbox").iterdir()):
        inspect(work, bundle, shown[:1], key)  # reads some of the marks each time
    config, folder = str(work / "station.toml"), str(work / "quarantine")
    _outfeed("quarantine", "collect", "--config", config, "--out", folder)
    _outfeed("quarantine", "release", folder, "--all", "--by", "bench")
    console.print(
        f"{line} parts of the new look on the line, {sum(not part.bad for part in shown)} good: "
        f"{false_rejects} marked false-reject, {true_rejects} true-reject, {escapes} escape"
    )
    for route in routes:
        out = work / f"run-{route}"
        shutil.rmtree(out, ignore_errors=True)
        begin = time.monotonic()
        options = LearnOptions(
            routes=(route,), parity=PARITY, calibration_frames=48, search_parts=60
        )
        try:
            made = learn(Run(work / "run"), read_bundle(bundle), work / "quarantine", out, options)
        except ExportError as error:
            console.print(f"{route}: refused: {error}", highlight=False, soft_wrap=True)
            continue
        took = time.monotonic() - begin
        groups = later(read_bundle(bundle), made.bundle, count, shift, clear=clear)
        console.print(_table(route, made, groups, took))
        console.print(made.record.proven, highlight=False, soft_wrap=True)


def _table(route: Route, made: Learned, groups: Sequence[Group], took_s: float) -> Table:
    before, after = made.record.before, made.record.after
    table = Table(
        f"{route}: T {before.threshold:g} → {after.threshold:g}, keep_severity "
        f"{before.keep_severity or 0:g} → {after.keep_severity or 0:g}, {took_s:.0f} s",
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
    found = tuple(route for route in ROUTES if route in text.split(","))
    if len(found) != len(text.split(",")):
        raise DataError(f"--routes {text}: expected some of {', '.join(ROUTES)}")
    return found


if __name__ == "__main__":
    typer.run(main)
