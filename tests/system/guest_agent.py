"""Runs as a service inside an emulated unit: commands of the host over a virtio port.

A line of JSON {"run": COMMAND} runs a command of the shell. The answer has its exit status and its
output. The first line states the slot and the version. The image itself is not changed: the
service lies on the data partition.
"""

import json
import os
import subprocess
from pathlib import Path

PORT = "/dev/virtio-ports/outfeed.test"


def main() -> None:
    port = os.open(PORT, os.O_RDWR)

    def tell(**values: object) -> None:
        os.write(port, json.dumps(values).encode() + b"\n")

    slot = Path("/run/outfeed-boot/slot").read_text().strip()
    lines = Path("/usr/lib/outfeed/system").read_text().splitlines()
    about = dict(line.split("=", 1) for line in lines)
    tell(slot=slot, version=about["VERSION"])
    pending = b""
    while True:
        pending += os.read(port, 65536)
        while b"\n" in pending:
            line, pending = pending.split(b"\n", 1)
            asked = json.loads(line)
            done = subprocess.run(
                ("sh", "-c", asked["run"]), capture_output=True, text=True, check=False
            )
            tell(rc=done.returncode, out=(done.stdout + done.stderr)[-8000:])


main()
