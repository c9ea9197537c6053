"""Pictures and the ways in which their bytes are damaged on the way from a camera or on a disk.

`python -m tests.edge.damaged FOLDER` damages every sixth JPEG below a folder in each way and prints
how many were accepted with other pixels: by OpenCV alone, by edge/images.py, and of the latter how
many with more than 1 % of the pixels off by more than 16 grey levels.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import FrameError
from edge.images import decode_image

END = b"\xff\xd9"
BURST = 512  # bytes of a bulk packet of USB 2


def texture(seed: int = 1, *, height: int = 240, width: int = 320) -> NDArray[np.uint8]:
    """A grey rough surface, as of a casting."""
    rng = np.random.default_rng(seed)
    coarse = cv2.GaussianBlur(rng.normal(0, 60, (height, width)), (0, 0), 3)
    return np.clip(128 + coarse + rng.normal(0, 6, (height, width)), 0, 255).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8], *options: int) -> bytes:
    """options: OpenCV's, name and value in turn."""
    done, data = cv2.imencode(".jpg", pixels, list(options))
    assert done
    return data.tobytes()


def scan_at(data: bytes) -> int:
    """Return the offset at which the compressed data of a JPEG begins."""
    at = 2
    while True:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xDA:
            return at + 2 + size
        at += 2 + size


def cut(data: bytes, rng: Random) -> bytes:
    """The end is missing, and an end marker stands there."""
    del rng
    begin = scan_at(data)
    return data[: begin + (len(data) - begin) // 3] + END


def filled(data: bytes, rng: Random) -> bytes:
    """The same, in a buffer that was zeroed before."""
    short = cut(data, rng)[:-2]
    return short + bytes(len(data) - len(short) - 2) + END


def burst_lost(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(scan_at(data), len(data) - BURST - 2)
    return data[:at] + data[at + BURST :]


def burst_zeroed(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(scan_at(data), len(data) - BURST - 2)
    return data[:at] + bytes(BURST) + data[at + BURST :]


def bursts_swapped(data: bytes, rng: Random) -> bytes:
    begin, end = scan_at(data), len(data) - 2
    middle = (begin + end) // 2
    first = rng.randrange(begin, middle - BURST)
    second = rng.randrange(middle, end - BURST)
    one, other = data[first : first + BURST], data[second : second + BURST]
    between = data[first + BURST : second]
    return data[:first] + other + between + one + data[second + BURST :]


def bit_flipped(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    changed[rng.randrange(scan_at(data), len(data) - 2)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def restart_lost(data: bytes, rng: Random) -> bytes:
    """One restart marker is missing."""
    at = rng.choice(_restarts(data))
    return data[:at] + data[at + 2 :]


def interval_lost(data: bytes, rng: Random) -> bytes:
    """Everything from one restart marker to the next is missing."""
    places = _restarts(data)
    number = rng.randrange(len(places) - 1)
    return data[: places[number]] + data[places[number + 1] :]


def _restarts(data: bytes) -> list[int]:
    places = range(scan_at(data), len(data) - 1)
    return [at for at in places if data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7]


# What is always found in a sequential JPEG of such a size.
FOUND: dict[str, Callable[[bytes, Random], bytes]] = {
    "cut": cut,
    "filled": filled,
    "burst lost": burst_lost,
    "burst zeroed": burst_zeroed,
}


def main(folder: Path, repeats: int = 3) -> None:
    """Print the table."""
    ways = {**FOUND, "bursts swapped": bursts_swapped, "bit flipped": bit_flipped}
    files = [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))[::6]]
    print(f"{'damage':16} {'tried':>6} {'OpenCV':>7} {'Outfeed':>8} {'far off':>8}")
    for name, damage in ways.items():
        tried = before = now = far = 0
        rng = Random(7)
        for data in files:
            if len(data) - scan_at(data) < 6 * BURST:
                continue
            whole = decode_image(data, name="whole").astype(np.int16)
            for _ in range(repeats):
                tried += 1
                changed = damage(data, rng)
                seen = cv2.imdecode(np.frombuffer(changed, np.uint8), cv2.IMREAD_UNCHANGED)
                before += seen is not None and not np.array_equal(seen, whole)
                try:
                    pixels = decode_image(changed, name="damaged")
                except FrameError:
                    continue
                now += not np.array_equal(pixels, whole)
                far += (np.abs(pixels - whole) > 16).mean() > 0.01
        print(f"{name:16} {tried:6} {before:7} {now:8} {far:8}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
