"""Made-up bundles: whatever the bytes are, the answer is a bundle or a BundleError of one line.

The seed is fixed, so a run is the same everywhere; with OUTFEED_SLOW it has 1000 examples of each
test, else 250. Mutations that are sealed and signed again reach
the parsers behind the seal.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge.bundle import MANIFEST, Bundle, pack, parse_bundle
from edge.bundle.accepted import read_accepted
from edge.bundle.container import join
from edge.bundle.keys import read_private_key, read_public_key
from edge.bundle.manifest import manifest_text
from edge.bundle.seal import SEAL_BYTES
from edge.cli.bundle_table import manifest_json, manifest_table
from edge.errors import BundleError, FrameError
from edge.images import decode_image
from tests.edge.archives import CONTENT, FILES, PICTURE, TRUSTED, files_of, manifest_of, sealed
from tests.support.keys import KEY, OTHER_KEY
from tests.support.slow import VARIABLE

WHOLE = pack(CONTENT, FILES, KEY)
BODY = WHOLE[:-SEAL_BYTES]
MANY = settings(
    max_examples=1000 if os.environ.get(VARIABLE) else 250,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Where the zip structure is: what a mutation most often has to hit to matter.
_MARKS = [at for at in range(len(BODY)) if BODY[at : at + 2] == b"PK"]
places = st.one_of(
    st.integers(0, len(BODY) - 1),
    st.builds(
        lambda mark, offset: min(mark + offset, len(BODY) - 1),
        st.sampled_from(_MARKS),
        st.integers(0, 45),
    ),
)
pieces = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [
            *(b"\0", b"\xff", b"\xff\xff", b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"),
            *(b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"../", b"manifest.json"),
        ]
    ),
)
# Replace, insert, take out, copy from elsewhere.
edits = st.lists(
    st.tuples(st.sampled_from(["put", "insert", "drop", "copy"]), places, places, pieces),
    min_size=1,
    max_size=4,
)


def edited(data: bytes, steps: list[tuple[str, int, int, bytes]]) -> bytes:
    for kind, at, other, piece in steps:
        at, other = at % len(data), other % len(data)
        if kind == "put":
            data = data[:at] + piece + data[at + len(piece) :]
        elif kind == "insert":
            data = data[:at] + piece + data[at:]
        elif kind == "drop":
            data = data[:at] + data[at + len(piece) + 1 :]
        else:
            data = data[:at] + data[other : other + 60] + data[at:]
    return data


def answer(call: Callable[[], Bundle]) -> Bundle | None:
    """Return the bundle, or None for a refusal in one line. Any bundle can be shown."""
    try:
        found = call()
    except BundleError as error:
        line = str(error)
        assert line
        assert len(line.splitlines()) == 1, repr(line)
        assert line.isprintable(), repr(line)
        return None
    manifest_table(found)
    json.loads(manifest_json(found))
    return found


@MANY
@given(edits)
def test_bytes_under_the_old_seal(steps: list[tuple[str, int, int, bytes]]) -> None:
    data = edited(BODY, steps) + WHOLE[-SEAL_BYTES:]
    assert (answer(lambda: parse_bundle(data, TRUSTED)) is None) == (data != WHOLE)


@MANY
@given(edits, st.sampled_from([None, KEY, OTHER_KEY]))
def test_bytes_sealed_again(steps: list[tuple[str, int, int, bytes]], key: Any) -> None:
    body = edited(BODY, steps)
    data = sealed(body, key)
    found = answer(lambda: parse_bundle(data, TRUSTED))
    # Every byte of a bundle is covered by the checksums of its zip, and its form is one.
    assert (found is None) == (body != BODY or key is not KEY)
    assert (answer(lambda: parse_bundle(data)) is None) == (body != BODY)


@MANY
@given(st.binary(max_size=400), st.binary(max_size=300))
def test_any_bytes_and_any_seal(body: bytes, seal: bytes) -> None:
    assert answer(lambda: parse_bundle(body + seal)) is None
    assert answer(lambda: parse_bundle(sealed(body, KEY), TRUSTED)) is None


names = st.sampled_from([*FILES, MANIFEST, "x.onnx", "a/b/c.png"])
contents = st.one_of(st.binary(max_size=40), st.sampled_from(list(FILES.values())))


@MANY
@given(st.dictionaries(names, contents, max_size=6), st.booleans())
def test_any_files_in_the_right_form(files: dict[str, bytes], named: bool) -> None:
    """A form that fits, a manifest that does or does not name what is there."""
    if named:
        listed = {name: data for name, data in files.items() if name != MANIFEST}
        files = {**listed, MANIFEST: manifest_of(listed)}
    if not files:
        return
    data = sealed(join(files, SEAL_BYTES), KEY)
    found = answer(lambda: parse_bundle(data, TRUSTED))
    assert found is None or found.files == {k: v for k, v in files.items() if k != MANIFEST}


strange = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["", "\x1b[2J", "a\u2028b", "\x85", "../x.onnx", "1.0", "9" * 400, "\x00"]),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value, inner ones too."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, below in inner:
        found.append((*path, key))
        if isinstance(below, dict | list):
            found += leaves(below, (*path, key))
    return found


_MANIFEST = json.loads(files_of(WHOLE)[MANIFEST])
_LEAVES = leaves(_MANIFEST)


@MANY
@given(
    st.lists(
        st.tuples(
            st.sampled_from(_LEAVES), st.sampled_from(["put", "drop", "add"]), strange, st.text()
        ),
        min_size=1,
        max_size=3,
    )
)
def test_any_manifest(changes: list[tuple[tuple[Any, ...], str, Any, str]]) -> None:
    """Values of every sort in every place, written as a bundle's manifest is."""
    content = json.loads(json.dumps(_MANIFEST))
    for (*above, key), kind, value, name in changes:
        section = content
        try:
            for step in above:
                section = section[step]
            if kind == "put":
                section[key] = value
            elif kind == "drop":
                del section[key]
            elif isinstance(section, dict):
                section[name] = value
        except (KeyError, IndexError, TypeError):  # an earlier change took it away
            continue
    files = {**FILES, MANIFEST: manifest_text(content).encode()}
    answer(lambda: parse_bundle(sealed(join(files, SEAL_BYTES), KEY), TRUSTED))


@MANY
@given(edits)
def test_a_manifest_of_any_text(steps: list[tuple[str, int, int, bytes]]) -> None:
    text = files_of(WHOLE)[MANIFEST]
    files = {**FILES, MANIFEST: edited(text, steps)}
    found = answer(lambda: parse_bundle(sealed(join(files, SEAL_BYTES), KEY), TRUSTED))
    if found is not None:
        assert is_within(json.loads(files[MANIFEST]), found.manifest.model_dump(mode="json"))


def is_within(written: Any, read: Any) -> bool:
    """Return true if every value that is written was read: 4 and 4.0 are equal, defaults may be
    left out."""
    if isinstance(written, dict) and isinstance(read, dict):
        return all(key in read and is_within(written[key], read[key]) for key in written)
    if isinstance(written, list) and isinstance(read, list):
        return len(written) == len(read) and all(map(is_within, written, read))
    return bool(written == read)


@MANY
@given(edits)
def test_any_golden_picture(steps: list[tuple[str, int, int, bytes]]) -> None:
    files = {**FILES, "golden/one.png": edited(PICTURE, steps)}
    packed = {**files, MANIFEST: manifest_of(files)}
    found = answer(lambda: parse_bundle(sealed(join(packed, SEAL_BYTES), KEY), TRUSTED))
    if found is not None:  # what is decoded then is no larger than it may be
        with contextlib.suppress(FrameError):
            assert decode_image(found.files["golden/one.png"], name="one").size <= 256 * 384 * 3


@MANY
@example(b"{}")
@given(st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode)))
def test_any_key_and_state_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    for read in (read_accepted, read_public_key, read_private_key):
        with pytest.raises(BundleError) as caught:
            read(path)
        assert len(str(caught.value).splitlines()) == 1
