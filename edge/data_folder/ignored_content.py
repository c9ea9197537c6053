"""Contents of a picture that are ignored: a rotation, and a mask in its alpha channel."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from edge.images import decode_alpha
from edge.picture_header import read_header

_TURNS = {
    2: "mirrored",
    3: "turned by 180°",
    4: "mirrored and turned by 180°",
    5: "mirrored and turned by 90°",
    6: "turned by 90°",
    7: "mirrored and turned by 90°",
    8: "turned by 90°",
}


def turned(path: Path, data: bytes) -> str:
    """Return a line if EXIF gives an orientation other than 1, else ''."""
    orientation = read_header(data).orientation
    if orientation == 1:
        return ""
    name = quote(str(path))
    return (
        f"{path}: EXIF orientation {orientation}, expected 1: programs show it "
        f"{_TURNS[orientation]}, and a mask drawn there lies on other pixels. To turn the "
        f"pixels as they are shown: mogrify -auto-orient {name} (ImageMagick); to keep them "
        f"as the camera gave them: exiftool -overwrite_original -Orientation= {name}"
    )


def remarks(path: Path) -> tuple[str, ...]:
    """Return a line with the remedy for each ignored content of a file. Blocks on the disk.

    The pixels are used as they are stored: a station never turns a frame, and ignores alpha. A file
    that cannot be read has no remark, because decoding reports it.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return ()
    lines = [line] if (line := turned(path, data)) else []
    alpha = decode_alpha(data)
    if alpha is not None and int(alpha.min()) != int(alpha.max()):
        share = float((alpha < alpha.max()).mean())
        lines.append(
            f"{path}: has an alpha channel that differs on {_percent(share)} of the picture and is "
            "not read; if a mask is drawn there, save it as masks/KIND/NAME.png: convert "
            f"{quote(str(path))} -alpha extract MASK.png (ImageMagick); then take it out of the "
            f"picture: mogrify -alpha off {quote(str(path))}"
        )
    return tuple(lines)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"
