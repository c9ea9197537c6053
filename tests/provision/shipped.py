"""The shipped Mosquitto configuration, with other paths and another port."""

from __future__ import annotations

from pathlib import Path

from tests.support.brokers import Mosquitto

SHIPPED = Path(__file__).parents[2] / "firmware-config/mosquitto"


def shipped_broker(folder: Path, certificates: Path, acl: Path | None = None) -> Mosquitto:
    """Not started yet. certificates: the folder that `outfeed provision broker` made. acl: in the
    place of the shipped access list."""
    text = (SHIPPED / "outfeed.conf").read_text()
    for shipped, here in (
        ("/etc/mosquitto/certs", certificates),
        ("/etc/mosquitto/outfeed.acl", acl or SHIPPED / "outfeed.acl"),
        ("/var/lib/mosquitto/", f"{folder}/"),
    ):
        assert shipped in text
        text = text.replace(shipped, str(here))
    lines = [line for line in text.splitlines() if line != "listener 8883"]
    assert len(lines) < len(text.splitlines())
    return Mosquitto(folder, *lines)
