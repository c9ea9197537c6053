"""outfeed replay: the parts of a station that was run, killed, tampered with, moved on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from edge.bundle import parse_bundle, read_bundle
from edge.events.event import PartEvent
from edge.pictures.name import list_album
from edge.pictures.png import decode_picture, encode_picture
from tests.bundles import CLEAN, HOLE, small_bundle
from tests.cli.conftest import Outfeed
from tests.cli.test_run import events, wait_for

KEEP_ALL = "[pictures]\npass_every = 1\nmin_free_mb = 0\n"


@pytest.fixture
def kept(outfeed: Outfeed, configure: Callable[..., Path]) -> Path:
    """station.toml of a run of twelve parts whose pictures were all kept."""
    path = configure(KEEP_ALL)
    assert outfeed("--quiet", "run", "--config", path).status == 0
    return path


def pictures(config: Path) -> list[Path]:
    album = config.parent / "state/pictures"
    return [album / str(name) for name in list_album(album)]


def test_every_part_gives_its_verdict_again_byte_for_byte(outfeed: Outfeed, kept: Path) -> None:
    parts = [event for event in events(kept.parent) if isinstance(event, PartEvent)]
    result = outfeed("replay", "--config", kept, "--all", "--json")
    assert (result.status, result.err) == (0, "")
    assert [record["part_id"] for record in result.records] == [part.part_id for part in parts]
    for record, part in zip(result.records, parts, strict=True):
        assert (record["tolerance"], record["difference"]) == (None, None)
        if record["outcome"] == "unjudged":  # too late on a loaded machine
            assert part.decision == "UNKNOWN"
            continue
        assert record["outcome"] == "same"
        assert record["seen"] == record["recorded"]
        if part.decision != "UNKNOWN":
            assert record["seen"]["decision"] == part.decision
            assert record["seen"]["peak_severity"] == part.peak_severity
            assert len(record["seen"]["defects"]) == len(part.defects)
    text = outfeed("replay", "--config", kept, "--last", 2)
    assert text.status == 0
    assert text.out.splitlines()[0].startswith("part 11: ")
    assert text.out.splitlines()[2].startswith("2 parts: ")
