"""Attacks with a valid signature are refused with one line, before anything is unpacked.

All archives here are signed with a trusted key: what is tested is not the signature, which alone
would refuse them (test_bundle_seal.py), but what is behind it.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge.bundle import MANIFEST, pack
from edge.bundle.container import MAX_FILES
from edge.bundle.picture import MAX_PIXELS
from tests.edge.archives import CONTENT, FILES, PICTURE, TRUSTED, manifest_of, refusal, sealed
from tests.support.keys import KEY

TEXT = manifest_of(FILES)
FORM = "is not in the one form that a bundle has: its zip structure differs at byte "


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiles.outfeed"


def info(name: str, mode: int = 0o644) -> zipfile.ZipInfo:
    """An entry as a bundle's, with another mode."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr, entry.create_system = mode << 16, 3
    return entry


def zipped(
    entries: Sequence[tuple[str | zipfile.ZipInfo, bytes]], compression: int = zipfile.ZIP_STORED
) -> bytes:
    """Any zip, sealed and signed as a bundle is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in entries:
            entry = info(name) if isinstance(name, str) else name
            file.writestr(entry, data, compression)
        file.comment = b"0" * 256
    return sealed(buffer.getvalue()[:-256], KEY)


def bundle(**files: bytes) -> list[tuple[str | zipfile.ZipInfo, bytes]]:
    return [(MANIFEST, TEXT), *sorted({**FILES, **files}.items())]


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """Other bytes at a place, sealed and signed again."""
    body = data[:-256]
    return sealed(body[:at] + new + body[at + len(new) :], KEY)


def directory_of(data: bytes, name: str) -> int:
    """Return the offset of a file's entry in the zip directory."""
    start = data.rfind(b"PK\x01\x02", 0, data.rfind(name.encode(), 0, len(data) - 256))
    assert start > 0
    return start


def test_zipped_is_the_form_of_a_bundle() -> None:
    """So whatever is refused below is refused for what was changed."""
    content = pack(CONTENT, FILES, KEY)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert zipped([(name, file.read(name)) for name in file.namelist()]) == content


@pytest.mark.parametrize(
    "name", ["../x.onnx", "/etc/x.onnx", "a/../b.onnx", "C:x.onnx", "a\\b.onnx", ".", "a//b.onnx"]
)
def test_a_name_that_leads_elsewhere(path: Path, name: str) -> None:
    said = refusal(path, zipped([*bundle(), (name, b"x")]), TRUSTED)
    assert said == f"holds a file named {name!r}; expected a name as golden/00.png"
    text = manifest_of({**FILES, name: b"x"})
    said = refusal(path, zipped([(MANIFEST, text), *sorted(FILES.items())]), TRUSTED)
    assert said.startswith(f"{MANIFEST}: key ")


@pytest.mark.parametrize(
    "name", ["a\nb.onnx", "a\x1b[2J.onnx", "é.onnx", "A.onnx", "x" * 300, "a.onnx\n", "a.onnx/"]
)
def test_a_name_that_no_bundle_has(path: Path, name: str) -> None:
    assert "holds a file named" in refusal(path, zipped([*bundle(), (name, b"x")]), TRUSTED)


def test_a_nul_in_a_name(path: Path) -> None:
    """To C it ends the name: a check sees one, the system opens another."""
    data = zipped([*bundle(), ("passwd.x.onnx", b"x")])
    for at in (data.index(b"passwd"), data.rindex(b"passwd", 0, -256)):
        data = patched(data, at, b"passwd\0")
    assert "holds a file named 'passwd\\x00x.onnx'" in refusal(path, data, TRUSTED)


def test_a_symlink(path: Path) -> None:
    entries = [
        (info(name, stat.S_IFLNK | 0o777) if name == "detector.onnx" else info(name), data)
        for name, data in [(MANIFEST, TEXT), *sorted(FILES.items())]
    ]
    assert refusal(path, zipped(entries), TRUSTED).startswith(FORM)


@pytest.mark.parametrize("mode", [0o755, 0o4755, stat.S_IFDIR | 0o755, stat.S_IFIFO | 0o644, 0])
def test_any_other_mode(path: Path, mode: int) -> None:
    whole = zipped(bundle())
    at = directory_of(whole, "golden/one.png") + 38
    data = patched(whole, at, (mode << 16).to_bytes(4, "little"))
    assert refusal(path, data, TRUSTED).startswith(FORM)


def test_a_bomb(path: Path) -> None:
    """A gigabyte in a megabyte; also where the directory states that it is stored."""
    million = zlib.compressobj(9, zlib.DEFLATED, -15)
    squeezed = million.compress(b"\0" * 10_000_000) + million.flush()
    data = zipped([*bundle(), ("extra.onnx", b"\0" * 1_000_000)], zipfile.ZIP_DEFLATED)
    assert refusal(path, data, TRUSTED) == f"holds {MANIFEST!r} compressed; expected it stored"
    whole = zipped([*bundle(), ("zero.onnx", squeezed)])
    at = whole.index(b"zero.onnx") - 30
    for method in (8, 9, 12, 14, 93, 98):
        data = patched(whole, at + 8, method.to_bytes(2, "little"))
        said = refusal(path, data, TRUSTED)
        assert said == "holds 'zero.onnx' compressed; expected it stored"
    in_directory = patched(whole, directory_of(whole, "zero.onnx") + 10, b"\x08\0")
    assert refusal(path, in_directory, TRUSTED).startswith(FORM)


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 0x7FFFFFFF, 5_000_000])
def test_a_size_beyond_the_end(path: Path, claimed: int) -> None:
    whole = zipped(bundle())
    at = whole.index(b"detector.onnx", whole.index(b"PK\3\4", 4)) - 30
    assert whole[at : at + 4] == b"PK\3\4"
    data = patched(whole, at + 18, struct.pack("<2L", claimed, claimed))
    said = refusal(path, data, TRUSTED)
    assert said == f"'detector.onnx' claims {claimed} bytes, more than the bundle has"


def test_a_size_in_the_directory_alone(path: Path) -> None:
    whole = zipped(bundle())
    at = directory_of(whole, "detector.onnx") + 20
    data = patched(whole, at, struct.pack("<2L", 0xFFFFFFFE, 0xFFFFFFFE))
    assert refusal(path, data, TRUSTED).startswith(FORM)


def test_files_that_overlap(path: Path) -> None:
    """Two directory entries over one range of bytes; a file that lies in another."""
    whole = zipped(bundle())
    at = directory_of(whole, "detector.onnx")
    assert refusal(path, patched(whole, at + 42, b"\0\0\0\0"), TRUSTED).startswith(FORM)
    inner = zipped(bundle())[:-256]
    data = zipped([*bundle(), ("nested.onnx", inner)])
    at = directory_of(data, "nested.onnx")
    begin = data.index(b"nested.onnx") + len("nested.onnx")
    said = refusal(path, patched(data, at + 42, begin.to_bytes(4, "little")), TRUSTED)
    assert said.startswith(FORM)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_named_twice(path: Path) -> None:
    data = zipped([*bundle(), ("detector.onnx", b"other")])
    assert refusal(path, data, TRUSTED) == "holds two files of the name 'detector.onnx'"
    data = zipped([(MANIFEST, TEXT), *bundle()])
    assert refusal(path, data, TRUSTED) == f"holds two files of the name {MANIFEST!r}"


def test_a_file_named_twice_in_the_directory_alone(path: Path) -> None:
    whole = zipped(bundle())
    start = directory_of(whole, "golden/one.png")
    end = whole.rindex(b"PK\x05\x06", 0, -256)
    directory = whole[start:end]
    data = sealed(whole[:end] + directory + whole[end:-256], KEY)
    assert refusal(path, data, TRUSTED).startswith(FORM)


def test_hidden_bytes(path: Path) -> None:
    """Before the archive, between files, in extra fields and comments, behind the end."""
    whole = zipped(bundle())[:-256]
    second, directory = whole.index(b"PK\3\4", 4), whole.index(b"PK\1\2")
    end = whole.rindex(b"PK\5\6")
    for at, said in (
        (0, "is not a bundle: holds no file"),
        (second, FORM),
        (directory, FORM),
        (end, FORM),
        (len(whole), "holds 6 bytes that belong to no file"),
    ):
        data = sealed(whole[:at] + b"hidden" + whole[at:], KEY)
        assert refusal(path, data, TRUSTED).startswith(said)
    extra, comment = info("detector.onnx"), info("detector.onnx")
    extra.extra, comment.comment = b"\x99\x99\x02\0hi", b"hi"
    for entry in (extra, comment):
        entries = [(entry if name == "detector.onnx" else name, data) for name, data in bundle()]
        assert refusal(path, zipped(entries), TRUSTED).startswith(FORM)


def test_files_in_another_order(path: Path) -> None:
    assert refusal(path, zipped([*FILES.items(), (MANIFEST, TEXT)]), TRUSTED).startswith(FORM)
    backwards = [(MANIFEST, TEXT), *sorted(FILES.items(), reverse=True)]
    assert refusal(path, zipped(backwards), TRUSTED).startswith(FORM)


def test_a_time_stamp_a_flag_and_a_checksum(path: Path) -> None:
    whole = zipped(bundle())
    for at, new in ((4, b"\x2d"), (6, b"\x01"), (7, b"\x08"), (10, b"\x01"), (14, b"\0\0\0\0")):
        assert refusal(path, patched(whole, at, new), TRUSTED).startswith(f"{FORM}0 ")
    end = whole.rindex(b"PK\5\6", 0, -256)
    for at in range(end, len(whole) - 256):
        data = patched(whole, at, bytes([whole[at] ^ 1]))
        assert refusal(path, data, TRUSTED).startswith(FORM)


def test_more_files_than_any_bundle_has(path: Path) -> None:
    many = {f"f{number:04}.onnx": b"" for number in range(MAX_FILES)}
    said = refusal(path, zipped([(MANIFEST, TEXT), *many.items()]), TRUSTED)
    assert said == f"holds more than {MAX_FILES} files"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def png(
    width: int, height: int, *, bits: int = 8, colours: int = 0, interlace: int = 0, **chunks: bytes
) -> bytes:
    """A picture of a few bytes whatever it claims; chunks: more of them, before the pixels."""
    header = struct.pack(">2L5B", width, height, bits, colours, 0, 0, interlace)
    more = [chunk(kind.encode(), data) for kind, data in chunks.items()]
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    parts = [chunk(b"IHDR", header), *more, pixels, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


HEADER_BYTES = 8 + 25


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (png(60_000, 60_000), "claims 60000×60000 px; for this detector 384×256 px and"),
        (png(0x7FFFFFFF, 1), "claims 2147483647×1 px"),
        (png(1, 0xFFFFFFFF), "claims 1×4294967295 px"),
        (png(385, 4), "claims 385×4 px"),
        (png(6, 257), "claims 6×257 px"),
        (png(0, 4), "claims 0×4 px"),
        (png(6, 4, bits=16), "expected 8 bits, grey or colour, not interlaced (PNG)"),
        (png(6, 4, colours=3), "expected 8 bits, grey or colour"),
        (png(6, 4, colours=6), "expected 8 bits, grey or colour"),
        (png(6, 4, interlace=1), "expected 8 bits, grey or colour, not interlaced"),
        (png(6, 4, zTXt=b"a\0\0" + zlib.compress(b"\0" * 10_000_000)), "holds a chunk b'zTXt'"),
        (png(6, 4, iCCP=b"a\0\0" + zlib.compress(b"\0" * 10_000_000)), "holds a chunk b'iCCP'"),
        (png(6, 4, acTL=b"\xff" * 8), "holds a chunk b'acTL'; expected IHDR, IDAT, IEND"),
        (png(6, 4, IHDR=b"\xff" * 13), "is cut short or out of order (PNG)"),
        (png(6, 4) + b"more", "is cut short (PNG)"),
        (png(6, 4) + png(6, 4), "holds a chunk"),
        (png(6, 4)[:-1], "is cut short or out of order (PNG)"),
        (png(6, 4)[:HEADER_BYTES], "is cut short or out of order (PNG)"),
        (png(6, 4)[:8], "is cut short or out of order (PNG)"),
        (png(6, 4)[:8] + chunk(b"IHDR", b"") + png(6, 4)[HEADER_BYTES:], "its header is damaged"),
        (b"\xff\xd8\xff\xe0 a JPEG", "is no PNG"),
        (b"", "is no PNG"),
    ],
)
def test_a_golden_picture_that_claims_too_much(path: Path, picture: bytes, said: str) -> None:
    """The detector takes 64×96 px, so a golden frame has at most 4 times that along each side."""
    files = {**FILES, "golden/one.png": picture}
    data = zipped([(MANIFEST, manifest_of(files)), *sorted(files.items())])
    assert refusal(path, data, TRUSTED).startswith(f"'golden/one.png': {said}")


def test_a_golden_picture_of_a_huge_detector(path: Path) -> None:
    """4 times the sides would be a gigabyte."""
    files = {**FILES, "golden/one.png": png(8192, 4096)}
    text = manifest_of(files, detector__height=4096, detector__width=4096)
    said = refusal(path, zipped([(MANIFEST, text), *sorted(files.items())]), TRUSTED)
    assert said.endswith(
        f"for this detector 16384×16384 px and {MAX_PIXELS} px in all are the most"
    )


def test_a_plain_picture_is_fine() -> None:
    for picture in (PICTURE, png(384, 256), png(6, 4, colours=2)):
        pack(CONTENT, {**FILES, "golden/one.png": picture})


def test_a_tensor_too_large_for_any_station(path: Path) -> None:
    for height, width in ((8192, 8192), (4096, 4112), (8192, 4096)):
        text = manifest_of(FILES, detector__height=height, detector__width=width)
        said = refusal(path, zipped([(MANIFEST, text), *sorted(FILES.items())]), TRUSTED)
        assert said == f"detector: height × width is above {MAX_PIXELS} px"


def test_a_hash_that_does_not_fit(path: Path) -> None:
    wrong = bundle(**{"detector.onnx": b"neTwork"})
    said = refusal(path, zipped(wrong), TRUSTED)
    assert said == "'detector.onnx' is not the file that its manifest names"
