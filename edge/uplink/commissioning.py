"""The state of the commissioning, as the status of a station states it."""

from __future__ import annotations

import json
from typing import Literal

from edge.bounded_reads import read_small, whole_of
from edge.config.station import StationConfig

Commissioning = Literal["", "done", "waiting", "trial"]

WAITING_NOTE = "waiting to be commissioned"

_MAX_BYTES = 16 * 1024 * 1024


def read_commissioning(config: StationConfig) -> Commissioning:
    """Return the state of the commissioning, from the record of ``outfeed commission``.

    done: the record is GO for a station of this name. The station itself also compares
    configuration, bundle and machine, and refuses to start. waiting: it is not, and the station
    inspects nothing without it. trial: it is not, and the station inspects without it. Empty where
    the record cannot be read. Blocks for one small file.
    """
    try:
        data = read_small(whole_of(config.paths.commissioning), _MAX_BYTES)
    except FileNotFoundError:
        data = b"{}"
    except OSError:
        return ""
    try:
        record = json.loads(data)
        is_done = (record.get("station"), record.get("outcome")) == (config.id, "GO")
    except (ValueError, AttributeError):
        is_done = False
    if is_done:
        return "done"
    return "waiting" if config.line.require_commission else "trial"
