"""Desired states and bundles for tests, and a station on a simulated belt that takes them."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.config.station import StationConfig, load_config
from edge.events.update import UpdateEvent
from edge.files import write_atomically
from edge.updater.run import run_updater
from edge.updates.desired import DesiredBody, DesiredBundle, SignedDesired, sign_desired
from tests.provision.conftest import Plant
from tests.support.bundle_server import BundleServer
from tests.support.bundles import CLEAN, HOLE, STAIN, bundle_bytes
from tests.support.commands import OPERATOR, public
from tests.support.keys import TRUST
from tests.support.station_runs import events

STATION_TOML = """\
id = "press-3"
bundle = "small.outfeed"
state_dir = "state"
[camera]
kind = "files"
path = "frames"
loop = true
[trigger]
rate_hz = {rate_hz}
[line]
travel_ms = 900.0
budget_ms = {budget_ms}
pulse_ms = 4.0
[trust]
keys = ["{trust}"]
operator_keys = ["{operator}"]
[pictures]
min_free_mb = 0
[uplink]
start = false
tls_ca = "{ca}"
tls_cert = "{cert}"
tls_key = "{key}"
[drift]
enabled = {drift}
[updates]
server = "https://127.0.0.1:{port}"
min_free_mb = 0
max_kb_per_s = 100000
retry_max_s = 0.2
shadow_parts = {shadow_parts}
shadow_rejects = {shadow_rejects}
"""

LIMITS: dict[str, Any] = {
    "shadow": {"parts": 60, "rejects": 10, "new_rejects": 0.1},
    "probation": {"parts": 40},
}


def wanted(data: bytes, version: str = "1.1", **changes: Any) -> DesiredBundle:
    """The bundle of these bytes as a desired state names it."""
    digest = hashlib.sha256(data).hexdigest()
    values = {
        "name": "dark-spots",
        "version": version,
        "sha256": digest,
        "size_bytes": len(data),
        "file": f"{digest[:16]}.outfeed",
    }
    return DesiredBundle.model_validate({**values, **changes})


def desired(
    bundle: DesiredBundle | None, *keys: Ed25519PrivateKey, **changes: Any
) -> SignedDesired:
    """A desired state that is signed now and expires in an hour, unless the changes differ."""
    now_s = time.time()
    values = {
        "station": "press-3",
        "revision": round(now_s * 1e6),
        "expires": round(now_s) + 3600,
        "bundle": bundle,
        **LIMITS,
        **changes,
    }
    return sign_desired(DesiredBody.model_validate(values), *(keys or (OPERATOR,)))


class Line:
    """A folder with the configuration of a station, its bundle and its frames.

    Every third frame shows a hole, unless ``frames`` are given.
    """

    def __init__(self, folder: Path, plant: Plant, server: BundleServer, **keys: Any) -> None:
        self.folder = folder
        self.server = server
        self.messages = 0
        self.path = folder / "station.toml"
        frames = keys.pop("frames", [HOLE, CLEAN, CLEAN])
        (folder / "small.outfeed").write_bytes(bundle_bytes())
        (folder / "frames").mkdir()
        for number, pixels in enumerate(frames):
            cv2.imwrite(str(folder / f"frames/{number:03d}.png"), pixels)
        own = plant.folder / "press-3"
        files = load_config(own / "station.toml").uplink
        values: dict[str, Any] = {
            "rate_hz": 25.0,
            "budget_ms": 400.0,
            "trust": TRUST,
            "operator": public(OPERATOR),
            "ca": files.tls_ca,
            "cert": files.tls_cert,
            "key": files.tls_key,
            "drift": "false",
            "port": server.port,
            "shadow_parts": 1,
            "shadow_rejects": 0,
        }
        self.path.write_text(STATION_TOML.format(**{**values, **keys}))
        (folder / "state" / "desired").mkdir(parents=True)

    @property
    def config(self) -> StationConfig:
        return load_config(self.path)

    def offer(self, data: bytes, **changes: Any) -> DesiredBundle:
        """Put a bundle on the server."""
        bundle = wanted(data, **changes)
        self.server.files[bundle.file] = data
        return bundle

    def publish(self, payload: bytes | SignedDesired) -> None:
        """Put a message where the uplink stores what it receives."""
        self.messages += 1
        data = payload if isinstance(payload, bytes) else payload.payload()
        folder = self.config.paths.received_desired
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{self.messages:010d}.msg", data, mode=0o640)

    def states(self) -> list[str]:
        """The states of all update events in the journal."""
        return [each.state for each in self.updates()]

    def updates(self) -> list[UpdateEvent]:
        """The update events in the journal."""
        if not (self.folder / "state/journal.sqlite").exists():
            return []
        return [each for each in all_events(self.folder) if isinstance(each, UpdateEvent)]

    def wait(self, state: str, seconds: float = 90.0, count: int = 1) -> UpdateEvent:
        """Wait for a state, and return its event."""
        deadline_s = time.monotonic() + seconds
        while True:
            found = [each for each in self.updates() if each.state == state]
            if len(found) >= count:
                return found[-1]
            if time.monotonic() > deadline_s:
                log = (self.folder / "log").read_text()[-3000:]
                raise AssertionError(f"no {state}: {self.updates()} {log}")
            time.sleep(0.1)

    @contextmanager
    def updater(self) -> Iterator[None]:
        """Run the updater in a thread."""
        stop = threading.Event()
        thread = threading.Thread(target=run_updater, args=(self.config, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)

    @contextmanager
    def station(self, *, ends_with: int | None = 0) -> Iterator[subprocess.Popen[bytes]]:
        """Run the station as a user does; its log goes to the file ``log``. ends_with: its exit
        status; None: it was killed by the test."""
        arguments = [sys.executable, "-m", "edge", "run", "--config", str(self.path)]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=log)
        try:
            yield process
            if ends_with is not None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == ends_with
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def all_events(folder: Path) -> list[Any]:
    """Every event of the journal."""
    return events(folder)


def frames_of(*kinds: str) -> list[Any]:
    """Frames by name: clean, hole or stain."""
    known = {"clean": CLEAN, "hole": HOLE, "stain": STAIN}
    return [known[each] for each in kinds]


Offer = Callable[..., DesiredBundle]
