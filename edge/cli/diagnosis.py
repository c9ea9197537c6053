"""Wires the doctor to a real station and shows what he finds."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from rich.console import Console

from edge.assembly.admission import admit
from edge.assembly.camera import open_live_camera
from edge.assembly.station import make_camera
from edge.bundle import Bundle
from edge.chain.load import build_inspector, prove
from edge.clock import MonotonicClock
from edge.config.station import StationConfig
from edge.devices.camera import Camera
from edge.doctor.checks import examine
from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import Finding, Level, fail, fine
from edge.doctor.machine import MachineState
from edge.doctor.station import versions
from edge.doctor.station_process import find_running
from edge.engines.registry import EngineChoice
from edge.engines.selection import default_engine, selected_engine
from edge.errors import ConfigError
from edge.privileges import open_config
from edge.proof import prove_new
from edge.terminals import escape

_STYLES = {Level.OK: "green", Level.WARN: "bold yellow", Level.FAIL: "bold red"}


def diagnose(
    path: Path, *, golden: bool, timeout_s: float, machine: MachineState | None = None
) -> list[Finding]:
    """Everything that was found. Without a configuration there is little to look for."""
    machine = machine or MachineState()
    try:
        config = open_config(path)
    except ConfigError as error:
        advice = "mend the key that is named; firmware-config/station.toml explains every one"
        return [versions(machine), fail("station.toml", str(error), advice)]
    context = diagnostic_context(config, machine, golden=golden, path=path)
    found = [versions(machine), fine("station.toml", f"station {config.id}")]
    return [*found, *examine(context, timeout_s=timeout_s)]


def diagnostic_context(
    config: StationConfig, machine: MachineState, *, golden: bool = True, path: Path | None = None
) -> DiagnosticContext:
    """The station as its own configuration, the file path, describes it."""

    @lru_cache(maxsize=1)
    def bundle() -> Bundle:
        return admit(config)

    def choice(found: Bundle) -> EngineChoice:
        if config.engine.kind == "auto":
            return selected_engine(config.paths.engine, config.engine, found)
        return default_engine(config.engine, found)

    def run_golden(found: Bundle) -> None:
        try:
            engine = choice(found)
        except ConfigError:
            engine = default_engine(config.engine, found)
        prove_new(found, engine, config.paths.proven_bundles)
        inspector = build_inspector(found, now_ns=time.monotonic_ns, engine=engine)
        prove(found, inspector, engine)

    def camera() -> Camera:
        clock = MonotonicClock()
        if config.camera.live:
            return open_live_camera(config.camera, clock=clock)
        return make_camera(config.camera, clock=clock)

    return DiagnosticContext(
        config=config,
        machine=machine,
        running=find_running(machine, config.paths.journal_lock, path),
        admit=bundle,
        engine=lambda found: str(choice(found)),
        prove=run_golden,
        camera=camera,
        golden=golden,
    )


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """A line each, and what to do below those that need it; the worst are counted at the end."""
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        level = f"[{_STYLES[finding.level]}]{finding.level.value:<4}[/]"
        console.print(f"{level} {escape(finding.name):<{width}}  {escape(finding.said)}")
        if finding.advice and finding.level is not Level.OK:
            console.print(f"     {'':<{width}}  → {escape(finding.advice)}", style="dim")
    count = {level: sum(one.level is level for one in findings) for level in Level}
    console.print(f"\n{count[Level.FAIL]} FAIL, {count[Level.WARN]} WARN, {count[Level.OK]} OK")


def findings_json(findings: Sequence[Finding]) -> str:
    """A list of objects: name, level, said, advice."""
    return json.dumps([asdict(finding) for finding in findings], indent=1)
