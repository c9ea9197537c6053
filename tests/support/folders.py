"""Small folders of pictures as people keep them, and files with a hidden property."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np

RNG = np.random.default_rng(1)
SIZE = (40, 50)


def picture() -> np.ndarray:
    return RNG.integers(90, 160, SIZE, dtype=np.uint8)


def mask(value: int = 255) -> np.ndarray:
    drawn = np.zeros(SIZE, np.uint8)
    drawn[5:10, 5:12] = value
    return drawn


def encoded(suffix: str, pixels: np.ndarray) -> bytes:
    done, data = cv2.imencode(suffix, pixels)
    assert done
    return data.tobytes()


def put(path: Path, content: np.ndarray | bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(
        content if isinstance(content, bytes) else encoded(path.suffix.lower(), content)
    )
    return path


def images(root: Path, count: int = 4, where: str = "images", suffix: str = ".png") -> Path:
    for number in range(count):
        put(root / where / f"{number:03d}{suffix}", picture())
    return root


def exif_block(orientation: int, order: str = "<") -> bytes:
    """A TIFF block of one directory with the orientation alone."""
    start = b"II*\x00" if order == "<" else b"MM\x00*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return start + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0)


def turned(suffix: str, orientation: int, order: str = "<") -> bytes:
    """A picture with an EXIF orientation, as JPEG, PNG, WebP or TIFF."""
    data, block = encoded(suffix, picture()), exif_block(orientation, order)
    if suffix == ".jpg":
        body = b"Exif\x00\x00" + block
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    if suffix == ".png":
        chunk = b"eXIf" + block
        extra = struct.pack(">I", len(block)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        return data[:33] + extra + data[33:]
    if suffix == ".webp":
        chunk = b"EXIF" + struct.pack("<I", len(block)) + block + b"\x00" * (len(block) % 2)
        whole = data[:4] + struct.pack("<I", len(data) - 8 + len(chunk)) + data[8:]
        return whole + chunk
    assert suffix == ".tif"
    return tiff_turned(data, orientation)


def tiff_turned(data: bytes, orientation: int) -> bytes:
    """A TIFF of OpenCV's with its orientation tag replaced or added at the end of its tags."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = [data[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(count)]
    entries = [entry for entry in entries if entry[:2] != struct.pack("<H", 0x0112)]
    entries.append(struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0))
    entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
    place = len(data) + len(data) % 2
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + b"\x00" * 4
    return data[:4] + struct.pack("<I", place) + data[8:].ljust(place - 8, b"\x00") + directory
