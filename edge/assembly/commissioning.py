"""The commissioning of a station: its devices, the order of the steps, and their output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edge.assembly.belt import count_tracking, ejector_eye
from edge.assembly.camera import freshness_rules, open_live_camera
from edge.assembly.prompt import Terminal
from edge.assembly.station import (
    load_bundle,
    make_camera,
    make_trigger,
    plan_of,
    rejector_options,
)
from edge.bundle import Bundle
from edge.clock import Clock, MonotonicClock
from edge.commission.apply import may_write
from edge.commission.context import (
    CommissionContext,
    CommissionDevices,
    CommissionSettings,
    NoOperator,
    Operator,
)
from edge.commission.fingerprint import fingerprints
from edge.commission.page import commission_page
from edge.commission.record import STEPS, CommissionRecord, read_record, valid_results, write_record
from edge.commission.result import Proposal, StepOutcome, StepReason, StepResult, rounded
from edge.commission.sequence import run_steps
from edge.commission.toml_edit import write_proposals
from edge.config.station import StationConfig, parse_config
from edge.devices.camera import Camera
from edge.devices.encoder import Encoder
from edge.devices.trigger import Trigger
from edge.errors import ConfigError, JournalError, OutfeedError, UsageError
from edge.files import write_durably
from edge.journal.lock import FileLock
from edge.privileges import open_config
from edge.rejector.client import RejectorClient
from edge.rejector.hardware import open_encoder, open_eye
from edge.terminals import escape

PAGE = "commission.html"
_STYLES = {
    StepOutcome.GO: "bold green",
    StepOutcome.NO_GO: "bold red",
    StepOutcome.SKIPPED: "bold yellow",
}


@dataclass(frozen=True, slots=True)
class CommissionOptions:
    """The options of ``outfeed commission``."""

    steps: tuple[str, ...] = ()
    """The steps to run; empty: all of them."""

    batch: bool = False
    yes: bool = False
    may_skip: tuple[str, ...] = ()
    out: Path | None = None
    """The folder for commission.html; None: state_dir."""

    write: bool = False
    browser: int | None = None
    listen: str = "127.0.0.1"
    parts: int = 20
    false_rejects: int = 0
    frames: int = 20
    pulses: int = 5000
    inspections: int = 5000
    rate_hz: float | None = None
    wait_s: float = 30.0

    @property
    def settings(self) -> CommissionSettings:
        """Return the extent of the measurements."""
        return CommissionSettings(
            parts=self.parts,
            frames=self.frames,
            pulses=self.pulses,
            inspections=self.inspections,
            wait_s=self.wait_s,
            false_rejects=self.false_rejects,
            rate_hz=self.rate_hz,
            browser=self.browser,
            listen=self.listen,
        )


def run_commission(path: Path, options: CommissionOptions, console: Console) -> bool:
    """Run the steps and return whether the result is GO; with ``steps``, of those only.

    Raises OutfeedError, and JournalError before any change where a station runs on this folder.
    """
    for name in (*options.steps, *options.may_skip):
        if name not in STEPS:
            raise UsageError(f"no step is called {name}; the steps are {', '.join(STEPS)}")
    config = open_config(path)
    folder = options.out or config.state_dir
    for needed in (config.state_dir, folder):
        _make_folder(needed)
    if options.write and not may_write(path):
        apply = f"sudo {Path(sys.argv[0]).absolute()} commission --apply --config {path}"
        console.print(
            f"{escape(str(path))} may not be written by this user. The measured values are stored."
        )
        console.print(f"Write them to it with: {escape(apply)}")
        options = replace(options, write=False)
    held = "a station is running on this folder: stop it first"
    lock = FileLock(config.paths.journal_lock, held=held)
    try:
        return _commission(path, config, options, folder, console)
    finally:
        lock.release()


def _commission(
    path: Path, config: StationConfig, options: CommissionOptions, folder: Path, console: Console
) -> bool:
    clock = MonotonicClock()
    with closing(load_bundle(config, now_ns=clock.now_ns)) as loaded:
        bundle, inspector = loaded.bundle, loaded.inspector
        known = _known(config, bundle, console)
        context = CommissionContext(
            config=config,
            bundle=bundle,
            inspector=inspector,
            devices=devices_of(config, clock),
            clock=clock,
            operator=_operator(options),
            folder=folder,
            print_line=lambda text: console.print(escape(text)),
            settings=options.settings,
            done=known,
        )
        record, results = run_steps(
            context,
            options.steps or STEPS,
            show=lambda result: show_result(console, result),
            write=partial(_write, path) if options.write else None,
            may_skip=options.may_skip,
        )
    write_record(config.paths.commissioning, record)
    page = folder / PAGE
    try:
        write_durably(page, commission_page(record, folder).encode())
    except OSError as error:
        raise OutfeedError(f"{page}: cannot be written: {error.strerror}") from error
    _show_verdict(console, record, page)
    if not options.steps:
        return record.outcome is StepOutcome.GO
    chosen = [one for one in results if one.step in options.steps]
    return all(
        one.outcome is StepOutcome.GO
        or (one.outcome is StepOutcome.SKIPPED and one.step in options.may_skip)
        for one in chosen
    )


def devices_of(config: StationConfig, clock: Clock) -> CommissionDevices:
    """Return the functions that open the devices of this station."""

    def camera() -> Camera:
        # One attempt, without the retries of a station: the operator must see the error.
        if config.camera.live:
            return open_live_camera(config.camera, clock=clock)
        return make_camera(config.camera, clock=clock)

    def eye(trigger: Trigger) -> Trigger:
        configured = ejector_eye(config, plan_of(config, trigger))
        if configured is None:
            raise ConfigError("key 'ejector_eye' is missing")
        return open_eye(configured.eye, clock=clock)

    def encoder(trigger: Trigger) -> Encoder:
        configured = count_tracking(config, plan_of(config, trigger))
        if configured is None:
            raise ConfigError("key 'encoder' is missing")
        return open_encoder(configured.encoder, clock=clock)

    return CommissionDevices(
        camera=camera,
        freshness=freshness_rules(config.camera),
        trigger=lambda: make_trigger(config, clock=clock),
        eye=eye,
        encoder=encoder,
        rejector_options=lambda trigger: rejector_options(config, trigger=trigger),
        rejector=lambda options: RejectorClient(options, clock=clock),
    )


def show_result(console: Console, result: StepResult) -> None:
    """Print the figures of a step, its outcome, the reasons and the proposals."""
    if result.figures:
        table = Table(title=result.step, title_justify="left", title_style="bold")
        table.add_column("figure")
        table.add_column("measured", justify="right")
        table.add_column("limits")
        for figure in result.figures:
            style = None if figure.fits else "red"
            value = f"{rounded(figure.value)} {figure.unit}".strip()
            table.add_row(escape(figure.name), value, figure.limits, style=style)
        console.print(table)
    style = _STYLES[result.outcome]
    console.print(f"{result.step}: [{style}]{result.outcome.value}[/] {escape(result.reason)}")
    _show_reasons(console, result.reasons)
    for note in result.notes:
        console.print(f"  {escape(note)}")
    for one in result.proposals:
        why = f"({one.why}; --write writes it, or --apply as root)"
        console.print(f"  for station.toml, \\[{one.section}]: {escape(one.line)}   {why}")


def _show_verdict(console: Console, record: CommissionRecord, page: Path) -> None:
    style = _STYLES[record.outcome]
    console.print(f"\n[{style}]{record.outcome.value}[/]: {escape(record.reason)}")
    _show_reasons(console, record.reasons)
    console.print(f"{escape(str(page))}")


def _show_reasons(console: Console, reasons: Sequence[StepReason]) -> None:
    for one in reasons:
        console.print(f"  - {escape(one.what)}", soft_wrap=True)
        console.print(f"    remedy: {escape(one.remedy)}", soft_wrap=True)


def _operator(options: CommissionOptions) -> Operator:
    if options.batch or not sys.stdin.isatty():
        return NoOperator(agrees=options.yes)
    return Terminal(agrees=options.yes)


def _known(config: StationConfig, bundle: Bundle, console: Console) -> dict[str, StepResult]:
    try:
        record = read_record(config.paths.commissioning)
    except ConfigError as error:
        console.print(f"earlier results are not used: {escape(str(error))}")
        return {}
    return valid_results(record, fingerprints(config, bundle))


def _write(
    path: Path, context: CommissionContext, proposals: Sequence[Proposal]
) -> CommissionContext:
    """The proposals into the file, if it is then still one that a station takes."""

    def check(text: str) -> StationConfig:
        try:
            return parse_config(text, path)
        except ConfigError as error:
            lines = ", ".join(one.line for one in proposals)
            raise ConfigError(f"{lines} was not written: {error}") from error

    config = write_proposals(path, proposals, check)
    return replace(context, config=config, devices=devices_of(config, context.clock))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"{folder}: cannot be made: {error.strerror}") from error
