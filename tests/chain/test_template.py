"""The template detector: differences, tolerances, and files with false values."""

from __future__ import annotations

import json
import struct
import time

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.bundle import ChainManifest, DetectorManifest, KindManifest
from edge.chain.classify import SingleKindClassifier
from edge.chain.inspector import Inspector
from edge.chain.load import READERS
from edge.chain.template.detector import TemplateDetector
from edge.chain.template.file import (
    MAGIC,
    MAX_HEADER_BYTES,
    TemplateFile,
    TemplateReference,
    parse_template,
)
from edge.errors import BundleError, FrameError
from edge.records import Decision, Dropped, Frame, Region
from tests.models.methods.parts import Lie, drawing, seen
from tests.support.templates import HEIGHT, WIDTH, header, reference

MANIFEST = DetectorManifest(
    kind="template",
    network="template",
    channels=1,
    height=HEIGHT,
    width=WIDTH,
    overlap_px=0,
    multiple_px=1,
    stride_px=1,
)


def detector(**changes: object) -> TemplateDetector:
    return TemplateDetector(TemplateFile(header(**changes), (reference(),)))


def peak(found: TemplateDetector, frame: NDArray[np.uint8]) -> float:
    return found.detect(frame).peak()


@pytest.fixture(scope="module")
def plain() -> TemplateDetector:
    return detector()


def test_a_good_part_is_clean_wherever_it_lies(plain: TemplateDetector) -> None:
    for seed, lie in enumerate([Lie(), Lie(3.0, -2.5), Lie(1.0, 2.0, 3.0), Lie(0, 0, -2.0, 1.01)]):
        assert peak(plain, seen(drawing(HEIGHT, WIDTH), lie, seed=seed)) < 3.0


def test_severity_is_at_the_defect(plain: TemplateDetector) -> None:
    """The blot of radius 6 px at (160, 168), moved and turned with its part."""
    frame = seen(drawing(HEIGHT, WIDTH, defect="blob"), Lie(5.0, -3.0, 2.0))
    found = plain.detect(frame)
    assert found.values.shape == (HEIGHT, WIDTH)
    rows, cols = np.nonzero(found.values * found.scale >= 6.0)
    assert (abs(rows.mean() - 164.8), abs(cols.mean() - 163.2)) < (1.0, 1.0)
    assert 80 < len(rows) < 150


@pytest.mark.parametrize(("defect", "least"), [("blob", 8.0), ("gone", 10.0), ("scratch", 3.5)])
def test_each_defect_is_severe(plain: TemplateDetector, defect: str, least: float) -> None:
    """The scratch is 2 px wide and 55 grey levels brighter than the plate."""
    frame = seen(drawing(HEIGHT, WIDTH, defect=defect), Lie(-2.0, 1.0, -1.5))
    assert peak(plain, frame) > least
    assert peak(plain, seen(drawing(HEIGHT, WIDTH), Lie(-2.0, 1.0, -1.5))) < 2.0


def test_light_is_made_even() -> None:
    """By 30 % either way, and by 60 % from one side to the other. The latter is a difference where
    illumination is not corrected."""
    part = drawing(HEIGHT, WIDTH)
    shaded, plain = detector(), detector(illumination=False)
    for light in (0.7, 1.3):
        assert peak(shaded, seen(part, light=light)) < 3.0
        assert peak(plain, seen(part, light=light)) < 3.0
    assert peak(shaded, seen(part, tilt=0.6)) < 1.5
    assert peak(plain, seen(part, tilt=0.6)) > 3.5


def test_a_shadow_s_edge_is_no_slow_light(plain: TemplateDetector) -> None:
    frame = seen(drawing(HEIGHT, WIDTH))
    frame[:, 200:] = frame[:, 200:] // 2
    assert peak(plain, frame) > 8.0


def test_what_covers_the_part_is_severe(plain: TemplateDetector) -> None:
    frame = seen(drawing(HEIGHT, WIDTH))
    frame[90:160, 120:230] = 20
    found = plain.detect(frame)
    assert not found.unmatched
    covered = found.values[95:155, 125:225] * found.scale
    assert (covered > 8.0).mean() > 0.9


def test_without_registration_a_part_that_lies_off_differs() -> None:
    frame = seen(drawing(HEIGHT, WIDTH), Lie(2.5, 2.5))
    assert peak(detector(), frame) < 3.0
    assert peak(detector(registration=False, min_match=0.05), frame) > 8.0


def test_what_does_not_match_is_never_passed() -> None:
    """Another part, none, and this one outside the bounds: 12 everywhere, and a classifier that
    calls everything background changes nothing."""

    class Dismissive:
        def classify(
            self, pixels: NDArray[np.uint8], regions: tuple[Region, ...]
        ) -> tuple[Dropped, ...]:
            return tuple(Dropped(region, 1.0) for region in regions)

    kinds = (KindManifest(name="defect"),)
    for chain in (ChainManifest(threshold=5.0), ChainManifest(threshold=12.0)):
        inspector = Inspector(detector(), Dismissive(), chain, kinds, time.perf_counter_ns)
        frames = [
            np.full((HEIGHT, WIDTH), 90, np.uint8),
            seen(drawing(HEIGHT, WIDTH), Lie(rotation_deg=30.0)),
            seen(drawing(HEIGHT, WIDTH), Lie(60.0, 0.0)),
        ]
        for frame in frames:
            inspection = inspector.examine(Frame(1, 1, 0, 0, frame))
            assert (inspection.severity.values == 255).all()
            assert inspection.verdict.decision is Decision.REJECT
            assert inspection.verdict.reason.startswith("does not match the golden image: 0.")
            assert inspection.verdict.score == 12.0
        good = inspector.inspect(Frame(2, 2, 0, 0, seen(drawing(HEIGHT, WIDTH))))
        assert good.decision is Decision.PASS


def test_a_rule_for_a_kind_never_passes_another_part() -> None:
    kind = KindManifest.model_validate({"name": "defect", "rule": {"reject": False}})
    chain = ChainManifest(threshold=5.0)
    inspector = Inspector(
        detector(), SingleKindClassifier((kind,)), chain, (kind,), time.perf_counter_ns
    )
    flawed = seen(drawing(HEIGHT, WIDTH, defect="blob"))
    assert inspector.inspect(Frame(1, 1, 0, 0, flawed)).decision is Decision.PASS
    other = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert inspector.inspect(Frame(1, 1, 0, 0, other)).decision is Decision.REJECT


def test_min_match() -> None:
    frame = seen(drawing(HEIGHT, WIDTH))
    frame[20:130] = 100
    assert not detector(min_match=0.2).detect(frame).unmatched
    assert detector(min_match=0.9).detect(frame).unmatched


def test_tolerance_px() -> None:
    """An edge that is ground off by a pixel and a half."""
    frame = seen(drawing(HEIGHT, WIDTH), noise=0.0)
    frame[:, 30:34] = frame[:, 29:30]
    peaks = [peak(detector(tolerance_px=px), frame) for px in (0, 1, 5)]
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[0] > peaks[2]
    assert peaks[2] < 1.0


def test_smooth_px() -> None:
    """One bright pixel is averaged away."""
    frame = seen(drawing(HEIGHT, WIDTH), noise=0.0)
    frame[170, 100] = 255
    alone, averaged = (peak(detector(smooth_px=px, unit=20.0), frame) for px in (1, 3))
    assert averaged == pytest.approx(alone / 9, abs=0.1)


def test_unit() -> None:
    frame = seen(drawing(HEIGHT, WIDTH, defect="blob"))
    small, large = (peak(detector(unit=unit), frame) for unit in (5.0, 10.0))
    assert small == pytest.approx(2 * large, abs=0.1)


def test_combine() -> None:
    """A print of either variant is right; with one golden image the other is a defect. A frame that
    has half of each is like neither, but each half is like one."""
    references = reference(0), reference(1)
    frames = [seen(drawing(HEIGHT, WIDTH, variant=v), Lie(1.0, 1.0), noise=0.0) for v in (0, 1)]
    best = TemplateDetector(TemplateFile(header(references=2), references))
    least = TemplateDetector(TemplateFile(header(references=2, combine="minimum"), references))
    assert [peak(best, frame) < 3.0 for frame in frames] == [True, True]
    assert [peak(detector(), frame) < 3.0 for frame in frames] == [True, False]
    mixed = np.hstack([frames[0][:, :160], frames[1][:, 160:]])
    assert peak(least, mixed) < 3.0 < peak(best, mixed)


def test_colour() -> None:
    """A part that has changed its colour and not its brightness."""
    grey = seen(drawing(HEIGHT, WIDTH), noise=0.0)
    golden = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    file = TemplateFile(header(channels=3), (TemplateReference(golden, reference().spread),))
    found = TemplateDetector(file)
    frame = golden.copy()
    assert peak(found, frame) < 1.0
    frame[170:190, 140:180] += np.array([60, 0, -23], np.int8).astype(np.uint8)
    changed = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    assert cv2.absdiff(changed, grey).max() <= 1
    assert peak(found, frame) > 4.0
    assert peak(found, grey) < 1.0  # a camera that sends grey


def test_a_frame_of_another_size_is_refused(plain: TemplateDetector) -> None:
    with pytest.raises(FrameError, match=r"^320×200 px; expected 320×240, the size of the golden"):
        plain.detect(np.zeros((200, 320), np.uint8))


def test_the_same_frame_gives_the_same_bytes(plain: TemplateDetector) -> None:
    frame = seen(drawing(HEIGHT, WIDTH, defect="scratch"), Lie(3.0, 1.0, 2.0))
    first = plain.detect(frame).values.tobytes()
    plain.detect(seen(drawing(HEIGHT, WIDTH)))
    assert plain.detect(frame).values.tobytes() == first
    assert detector().detect(frame).values.tobytes() == first


def test_a_file_is_read_as_it_was_packed() -> None:
    file = TemplateFile(header(references=2), (reference(0), reference(1)))
    data = file.pack()
    again = parse_template(data)
    assert again.header == file.header
    for one, other in zip(file.references, again.references, strict=True):
        assert (one.pixels == other.pixels).all()
        assert (one.spread == other.spread).all()
    assert again.pack() == data
    assert isinstance(READERS["template"](data, MANIFEST), TemplateDetector)


def refused(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        parse_template(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def packed(text: str, planes: bytes) -> bytes:
    return MAGIC + struct.pack("<I", len(text.encode())) + text.encode() + planes


def small(**changes: object) -> bytes:
    told = header(height=32, width=32).model_dump() | changes
    return packed(json.dumps(told), bytes([9]) * (2 * 32 * 32))


def test_false_values_are_refused() -> None:
    assert parse_template(small()).header.height == 32
    assert refused(b"").startswith("the template file does not begin with its mark")
    assert refused(MAGIC + b"\xff").startswith("the template file does not begin with its mark")
    assert "header of the template has 4294967295 bytes" in refused(MAGIC + b"\xff" * 4)
    assert "header of the template has" in refused(packed(" " * (MAX_HEADER_BYTES + 1), b""))
    assert "the header of the template: " in refused(packed("{", b""))
    assert "planes of the template have 2047 bytes; expected 2048" in refused(small()[:-1])
    assert "planes of the template have 2048 bytes; expected 4096" in refused(small(references=2))
    too_large = small(height=8192, width=8192, references=16)
    assert "planes of the template have more than" in refused(too_large)
    assert "unknown key 'colour'" in refused(small(colour=1))
    assert "'height'" in refused(small(height=32.5))
    assert "'height'" in refused(small(height=-1))
    assert "'unit'" in refused(small(unit=0))
    assert "'unit'" in refused(small().replace(b'"unit": 4.0', b'"unit": NaN'))
    assert "spread of 0" in refused(small()[:-1] + b"\0")


def test_a_reader_s_manifest_must_fit() -> None:
    data = TemplateFile(header(), (reference(),)).pack()
    with pytest.raises(BundleError, match="has 1 channels, the manifest 3"):
        READERS["template"](data, MANIFEST.model_copy(update={"channels": 3}))
    with pytest.raises(BundleError, match="stride_px is 2; a template has 1"):
        READERS["template"](data, MANIFEST.model_copy(update={"stride_px": 2}))
    blank = TemplateReference(np.full((HEIGHT, WIDTH), 9, np.uint8), reference().spread)
    plain = TemplateFile(header(), (blank,))
    with pytest.raises(BundleError, match="the golden image has too few edges"):
        READERS["template"](plain.pack(), MANIFEST)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=6))
def test_any_damage_is_refused_or_harmless(at: int, junk: bytes) -> None:
    """Bytes of the header overwritten: a file of the same shape, or one line."""
    good = small()
    data = good[:at] + junk + good[at + len(junk) :]
    said = complaint(data)
    assert said is None or "\n" not in said


def complaint(data: bytes) -> str | None:
    """Return the reason of refusal, or None for a file that can be read with its stated shape."""
    try:
        file = parse_template(data)
    except BundleError as error:
        return str(error)
    assert file.header.plane_bytes == 2048
    return None


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(junk: bytes) -> None:
    refused(junk)
    refused(MAGIC + junk)
