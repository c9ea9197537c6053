"""The threshold detector: every parameter is varied; files with false values are refused."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.bundle import DetectorManifest
from edge.chain.load import READERS
from edge.chain.threshold.detector import ThresholdDetector
from edge.chain.threshold.file import MAX_BYTES, ThresholdFile, parse_threshold
from edge.errors import BundleError, FrameError

HEIGHT, WIDTH = 96, 128
MANIFEST = DetectorManifest(
    kind="threshold",
    network="threshold",
    channels=1,
    height=HEIGHT,
    width=WIDTH,
    overlap_px=0,
    multiple_px=1,
    stride_px=1,
)


def cloth(grey: float = 120.0, *, noise: float = 0.0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(4)
    made = grey + rng.normal(0.0, noise, (HEIGHT, WIDTH))
    return np.asarray(np.clip(made + 0.5, 0, 255), np.uint8)


def spotted(change: int, side: int = 8, **made: float) -> NDArray[np.uint8]:
    """A square of that side, brighter by change, with its corner at (40, 60)."""
    frame = cloth(**made).astype(np.int16)
    frame[40 : 40 + side, 60 : 60 + side] += change
    return np.asarray(frame.clip(0, 255), np.uint8)


def scores(frame: NDArray[np.uint8], channels: int = 1, **told: object) -> NDArray[np.float32]:
    plain: dict[str, object] = {"denoise": "none", "relative": False}
    file = ThresholdFile.model_validate(plain | told)
    return ThresholdDetector(file, channels).scores(frame).copy()


@pytest.mark.parametrize("background", ["mean", "median"])
def test_distance_from_the_local_background(background: str) -> None:
    found = scores(spotted(-40), background=background)
    assert found[44, 64] == pytest.approx(40.0, abs=1.0)
    assert found[10, 20] == pytest.approx(0.0, abs=1e-4)
    # A mean of 63×63 has 64 of 3,969 px of the spot in it: 0.6 grey levels. A median has none.
    assert found[44, 80] == pytest.approx(0.65 if background == "mean" else 0.0, abs=0.01)


def test_the_background_follows_the_light() -> None:
    slope = np.tile(np.linspace(90, 160, WIDTH).astype(np.uint8), (HEIGHT, 1))
    slope[40:48, 60:68] -= 40
    for background in ("mean", "median"):
        found = scores(slope, background=background, window_px=31)
        assert found[44, 64] > 34.0
        assert found[:, 20:-20][:30].max() < 3.0


def test_window_px() -> None:
    """A spot as large as the window is its own background."""
    found = [scores(spotted(-40, 24), window_px=px, background="median") for px in (15, 63)]
    assert found[0][52, 72] == 0.0
    assert found[1][52, 72] == pytest.approx(40.0)


def test_otsu() -> None:
    """The larger class is the surface, and what is of the smaller counts from its mean."""
    found = scores(spotted(-40), level="otsu")
    assert found[44, 64] == pytest.approx(40.0, abs=0.1)
    assert (found[:40] == 0.0).all()
    assert scores(cloth(), level="otsu").max() == 0.0
    good = scores(cloth(noise=2.0), level="otsu").max()
    bad = scores(spotted(-40, noise=2.0), level="otsu").max()
    assert good < 12.0 < 30.0 < bad


@pytest.mark.parametrize("level", ["local", "otsu"])
@pytest.mark.parametrize(
    ("polarity", "dark", "bright"), [("both", 40, 40), ("dark", 40, 0), ("bright", 0, 40)]
)
def test_polarity(level: str, polarity: str, dark: int, bright: int) -> None:
    told = {"level": level, "polarity": polarity}
    assert scores(spotted(-40), **told)[44, 64] == pytest.approx(dark, abs=0.1)
    assert scores(spotted(40), **told)[44, 64] == pytest.approx(bright, abs=0.1)


@pytest.mark.parametrize("level", ["local", "otsu"])
def test_relative(level: str) -> None:
    """The same cloth in half of the light: half of the distance, and the same relative one."""
    bright = spotted(-40, grey=200)
    dark = np.asarray(bright // 2, np.uint8)
    plain = [scores(each, level=level)[44, 64] for each in (bright, dark)]
    assert plain == pytest.approx([40.0, 20.0], abs=0.1)
    relative = [scores(each, level=level, relative=True)[44, 64] for each in (bright, dark)]
    assert relative == pytest.approx([25.6, 25.6], abs=0.1)


@pytest.mark.parametrize("denoise", ["gaussian", "median", "nlmeans"])
def test_denoise(denoise: str) -> None:
    """Noise is removed, and the spot stays."""
    frame = spotted(-60, 16, noise=6.0)
    told = {"denoise": denoise, "denoise_px": 5, "nlmeans_strength": 20.0}
    noisy, clean = scores(frame), scores(frame, **told)
    assert clean[:30].max() < 0.7 * noisy[:30].max()
    assert clean[44:52, 64:72].min() > 40.0


def test_denoise_px_and_nlmeans_strength() -> None:
    frame = cloth(noise=6.0)
    fine, coarse = (scores(frame, denoise="gaussian", denoise_px=px).std() for px in (3, 9))
    assert coarse < 0.7 * fine
    weak, strong = (scores(frame, denoise="nlmeans", nlmeans_strength=h).std() for h in (3.0, 20.0))
    assert strong < 0.7 * weak


def test_open_px_and_close_px() -> None:
    """A thread of 2 px goes where 3 are opened; a slit of 2 px is filled where 3 are closed."""
    thread = cloth()
    thread[20:80, 50:52] -= 40
    assert scores(thread)[40, 50] == pytest.approx(40.0)
    assert scores(thread, open_px=3).max() == 0.0
    slit = spotted(-40, 16)
    slit[40:56, 67:69] = 120
    assert scores(slit)[48, 67] == 0.0
    assert scores(slit, close_px=3)[48, 67] == pytest.approx(40.0)


def test_channel() -> None:
    """Red cloth that loses its blue: the largest of the three stays, the grey does not."""
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[:] = (100, 100, 180)
    red[40:48, 60:68, 0] = 0
    assert scores(red, 3, channel="value").max() == 0.0
    assert scores(red, 3, channel="grey").max() == pytest.approx(11.0, abs=1.0)
    assert scores(cv2.cvtColor(spotted(-40), cv2.COLOR_GRAY2BGR), 1)[44, 64] > 39.0


def test_severity() -> None:
    """40 grey levels are 8 severities of 5, 150 are cut off at 12."""
    detector = ThresholdDetector(ThresholdFile(denoise="none", relative=False, unit=5.0), 1)
    found = detector.detect(spotted(-40))
    assert (found.values.dtype, found.values.shape) == (np.uint8, (HEIGHT, WIDTH))
    assert found.severity(float(found.values[44, 64])) == pytest.approx(8.0, abs=0.03)
    assert detector.detect(spotted(130)).peak() == pytest.approx(12.0)


def test_frames_of_any_size_and_the_same_bytes() -> None:
    detector = ThresholdDetector(ThresholdFile(window_px=127, denoise="median"), 1)
    frame = spotted(-30, noise=3.0)
    first = detector.detect(frame).values.tobytes()
    for size in ((16, 16), (17, 301), (300, 16)):
        assert detector.detect(np.full(size, 90, np.uint8)).peak() == 0.0
    assert detector.detect(frame).values.tobytes() == first
    with pytest.raises(FrameError, match="40×15 px; expected at least 16×16"):
        detector.detect(np.zeros((15, 40), np.uint8))


def test_a_file_is_read_as_it_was_packed() -> None:
    file = ThresholdFile(level="otsu", denoise_px=7, unit=0.5)
    assert parse_threshold(file.pack()) == file
    assert isinstance(READERS["threshold"](file.pack(), MANIFEST), ThresholdDetector)
    with pytest.raises(BundleError, match="stride_px is 2; a threshold file has 1"):
        READERS["threshold"](file.pack(), MANIFEST.model_copy(update={"stride_px": 2}))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"colour": 1}, "unknown key 'colour'"),
        ({"denoise_px": 4}, "'denoise_px': expected an odd number"),
        ({"denoise_px": 33}, "'denoise_px'"),
        ({"window_px": 1}, "'window_px'"),
        ({"window_px": 64}, "'window_px': expected an odd number"),
        ({"open_px": 0}, "'open_px'"),
        ({"unit": 0.0}, "'unit'"),
        ({"unit": "1"}, "'unit'"),
        ({"polarity": "none"}, "'polarity'"),
        ({"format": 2}, "'format'"),
    ],
)
def test_false_values_are_refused(changes: dict[str, object], expected: str) -> None:
    text = json.dumps(json.loads(ThresholdFile().pack()) | changes)
    with pytest.raises(BundleError) as caught:
        parse_threshold(text.encode())
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_long_file_is_refused() -> None:
    with pytest.raises(BundleError, match="more than 4096 bytes"):
        parse_threshold(ThresholdFile().pack() + b" " * MAX_BYTES)


@given(st.binary(max_size=100), st.integers(0, 300))
def test_any_damage_is_refused_or_read(junk: bytes, at: int) -> None:
    good = ThresholdFile().pack()
    for data in (junk, good[:at] + junk + good[at + len(junk) :]):
        said = complaint(data)
        assert said is None or (said.startswith("the threshold file: ") and "\n" not in said)


def complaint(data: bytes) -> str | None:
    """Return the reason of refusal, or None for a file that can be read."""
    try:
        parse_threshold(data)
    except BundleError as error:
        return str(error)
    return None
