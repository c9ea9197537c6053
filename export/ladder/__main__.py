"""The command that times untrained networks: a request in, the times out, both as JSON."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import torch

from edge.errors import OutfeedError
from edge.validation_messages import one_line
from export.ladder.timing import measure
from models.ladder.measure import TimingRequest


def main() -> int:
    """Time what standard input asks for. Blocks for minutes.

    The argument is a folder for temporary bundles. Libraries print to standard output. So the
    answer is written to a copy of it, and their lines go to standard error.
    """
    logging.basicConfig(level=logging.ERROR)
    answer = os.dup(1)
    os.dup2(2, 1)
    torch.set_num_threads(1)
    request = TimingRequest.model_validate_json(sys.stdin.buffer.read())
    try:
        measured = measure(request, Path(sys.argv[1]))
    except (OutfeedError, OSError) as error:
        print(one_line(error), file=sys.stderr)
        return 1
    with os.fdopen(answer, "w", encoding="utf-8") as out:
        out.write(measured.model_dump_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
