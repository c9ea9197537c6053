"""The diagnostic context of a real station, and the output of findings."""

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
from edge.doctor.finding import DiagnosticFinding, Level, fail, fine
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
) -> list[DiagnosticFinding]:
    """Run all checks and return their findings.

    Without a valid configuration only the versions and the fault of the file are reported.
    """
    machine = machine or MachineState()
    try:
        config = open_config(path)
    except ConfigError as error:
        advice = "correct the key; firmware-config/station.toml explains each key"
        return [versions(machine), fail("station.toml", str(error), advice)]
    context = diagnostic_context(config, machine, golden=golden, path=path)
    findings = [versions(machine), fine("station.toml", f"station {config.id}")]
    return [*findings, *examine(context, timeout_s=timeout_s)]


def diagnostic_context(
    config: StationConfig, machine: MachineState, *, golden: bool = True, path: Path | None = None
) -> DiagnosticContext:
    """Return the context for a configured station; ``path`` is the file of the configuration."""

    @lru_cache(maxsize=1)
    def admitted() -> Bundle:
        return admit(config)

    def choice(bundle: Bundle) -> EngineChoice:
        if config.engine.kind == "auto":
            return selected_engine(config.paths.engine, config.engine, bundle)
        return default_engine(config.engine, bundle)

    def run_golden(bundle: Bundle) -> None:
        try:
            engine = choice(bundle)
        except ConfigError:
            engine = default_engine(config.engine, bundle)
        prove_new(bundle, engine, config.paths.proven_bundles)
        inspector = build_inspector(bundle, now_ns=time.monotonic_ns, engine=engine)
        prove(bundle, inspector, engine)

    def camera() -> Camera:
        clock = MonotonicClock()
        if config.camera.live:
            return open_live_camera(config.camera, clock=clock)
        return make_camera(config.camera, clock=clock)

    return DiagnosticContext(
        config=config,
        machine=machine,
        running=find_running(machine, config.paths.journal_lock, path),
        admit=admitted,
        engine=lambda bundle: str(choice(bundle)),
        prove=run_golden,
        camera=camera,
        golden=golden,
    )


def print_findings(findings: Sequence[DiagnosticFinding], console: Console) -> None:
    """Print one line for each finding, its advice below it, and the count of each level."""
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        level = f"[{_STYLES[finding.level]}]{finding.level.value:<4}[/]"
        console.print(f"{level} {escape(finding.name):<{width}}  {escape(finding.message)}")
        if finding.advice and finding.level is not Level.OK:
            console.print(f"     {'':<{width}}  → {escape(finding.advice)}", style="dim")
    count = {level: sum(one.level is level for one in findings) for level in Level}
    console.print(f"\n{count[Level.FAIL]} FAIL, {count[Level.WARN]} WARN, {count[Level.OK]} OK")


def findings_json(findings: Sequence[DiagnosticFinding]) -> str:
    """Return a JSON list of objects with name, level, message and advice."""
    return json.dumps([asdict(finding) for finding in findings], indent=1)
