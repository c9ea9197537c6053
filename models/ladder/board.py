"""The file of a board: the JSON of ``outfeed bench`` with a shipped bundle."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bundle import read_bundle
from edge.errors import BundleError
from edge.validation_messages import describe
from models.data.dataset import DataError
from models.ladder.record import Subject
from models.ladder.rungs import LADDER, find_rung
from models.ladder.targets import REFERENCE, TargetProfile, targets

ZOO = Path(__file__).parents[1] / "zoo"
_DIGITS = 12  # of the digest, at the end of a bundle's id
_MAX_BYTES = 4 * 1024 * 1024


class _Read(BaseModel):
    """A part of the JSON. Keys that are not needed here are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Percentiles(_Read):
    p50_us: float = Field(gt=0)
    p99_us: float = Field(gt=0)


class _Steps(_Read):
    total: _Percentiles


class _Sample(_Read):
    size: str = Field(pattern=r"^\d{1,4}x\d{1,4}$")
    sort: str
    steps: _Steps

    @property
    def sides(self) -> tuple[int, int]:
        """Return height and width in px."""
        width, height = map(int, self.size.split("x"))
        return height, width


class _Report(_Read):
    bundle: str
    engine: str
    build: str
    threads: int
    samples: tuple[_Sample, ...] = Field(min_length=1)


class BoardTime(BaseModel):
    """The time of a known network on a board, for a frame without a defect, in ms.

    engine: engine, build and cores.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: Subject
    engine: str
    p50_ms: float
    p99_ms: float


def board_of(profile: TargetProfile, subject: Subject) -> BoardTime:
    """Return the time of the reference network, as a file of the board would have it.

    subject: the reference network for one size of frame.
    """
    p50_ms = profile.p50_ms(REFERENCE, subject.height * subject.width)
    engine = f"{profile.networks[REFERENCE].engine}, 1 core"
    return BoardTime(subject=subject, engine=engine, p50_ms=p50_ms, p99_ms=p50_ms * profile.spread)


def read_board(path: Path, pixels: int) -> BoardTime:
    """Return the board's time at the measured size that is nearest to a number of pixels.

    path: the output of ``outfeed bench --bundle BUNDLE --json`` on the board, with a bundle of
    models/zoo. Raises DataError, one line, for another file and for another bundle.
    """
    report = _report(path)
    subject_of = _shipped()
    found = subject_of.get(report.bundle.rpartition("-")[2])
    if found is None:
        raise DataError(
            f"{path}: was measured with {report.bundle}, whose network is not known here; expected "
            f"a bundle of {ZOO.name}/: {', '.join(sorted(p.name for p in ZOO.glob('*.outfeed')))}"
        )
    network, channels = found
    clean = [sample for sample in report.samples if sample.sort == "clean"]
    if not clean:
        raise DataError(f"{path}: has no frame without a defect; expected samples of sort clean")
    nearest = min(clean, key=lambda sample: abs(sample.sides[0] * sample.sides[1] - pixels))
    height, width = nearest.sides
    total = nearest.steps.total
    cores = f"{report.threads} core{'s' if report.threads > 1 else ''}"
    return BoardTime(
        subject=Subject(name=network, height=height, width=width, channels=channels),
        engine=f"{report.engine} {report.build}, {cores}",
        p50_ms=total.p50_us / 1e3,
        p99_ms=total.p99_us / 1e3,
    )


def _report(path: Path) -> _Report:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path}: is too large for the JSON of outfeed bench")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read: {error.strerror}; expected 'this', "
            f"{', '.join(targets())}, or the JSON of outfeed bench"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not the JSON of outfeed bench") from error
    try:
        return _Report.model_validate_json(text)
    except ValidationError as error:
        raise DataError(f"{path}: is not the JSON of outfeed bench: {describe(error)}") from error


def _shipped() -> dict[str, tuple[str, int]]:
    """Return the rung and the channels of each shipped bundle, by the start of its digest."""
    found: dict[str, tuple[str, int]] = {}
    for path in sorted(ZOO.glob("*.outfeed")):
        try:
            bundle = read_bundle(path)
        except BundleError as error:
            raise DataError(f"{path}: {error}") from error
        spec = bundle.manifest.detector
        rung = find_rung(spec.network)
        if rung is not None and rung in LADDER:
            found[bundle.digest[:_DIGITS]] = (rung.network, spec.channels)
    return found
