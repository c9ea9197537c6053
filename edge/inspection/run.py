"""The run of an inspection of files, with its output files."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge.chain.inspector import Inspector
from edge.inspection.examine import Examined, PictureFault, examine
from edge.inspection.lines import LineFile, result_line
from edge.inspection.pictures import overlay, severity_picture, write_picture
from edge.inspection.sources import PictureSource, picture_name
from edge.terminals import escape


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of a run. None: lines to standard output, and no pictures."""

    lines: Path | None = None
    masks: Path | None = None
    severity: Path | None = None
    overlays: Path | None = None
    timings: bool = True

    @property
    def has_pictures(self) -> bool:
        return any((self.masks, self.severity, self.overlays))


def inspect_sources(
    sources: Sequence[PictureSource], inspector: Inspector, outputs: Outputs, *, progress: bool
) -> int:
    """Inspect all sources. Return the number of faults; each is one line on stderr.

    The pictures of a frame are written before its line, so a line shows that they exist.
    """
    # The fault below reports the same.
    logging.getLogger("edge.devices.camera_video").setLevel(logging.ERROR)
    failed = 0
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with ExitStack() as stack:
        file = stack.enter_context(LineFile(outputs.lines)) if outputs.lines else None
        bar = stack.enter_context(_bar(console, enabled=progress and console.is_terminal))
        task = bar.add_task("", total=len(sources))
        seen: set[str] = set()
        for item in stack.enter_context(closing(examine(sources, inspector.examine))):
            if isinstance(item, PictureFault):
                failed += 1
                console.print(f"outfeed: {escape(item.reason)}")
            else:
                for remark in item.remarks:
                    console.print(f"outfeed: {escape(remark)}")
                _pictures(item, outputs)
                line = result_line(item.file, item.inspection.verdict, timings=outputs.timings)
                if file is not None:
                    file.write(line)
                else:
                    sys.stdout.write(line + "\n")
                    sys.stdout.flush()
            seen.add(item.source)
            bar.update(task, completed=len(seen), description=escape(item.file))
    return failed


def _pictures(item: Examined, outputs: Outputs) -> None:
    height, width = item.pixels.shape[:2]
    name = picture_name(item.file)
    inspection = item.inspection
    if outputs.masks is not None:
        write_picture(outputs.masks / name, inspection.defect_mask(height, width))
    if outputs.severity is not None:
        picture = severity_picture(inspection.severity, height, width)
        write_picture(outputs.severity / name, picture)
    if outputs.overlays is not None:
        write_picture(outputs.overlays / name, overlay(item.pixels, inspection.verdict))


def _bar(console: Console, *, enabled: bool) -> Progress:
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=not enabled,
    )
