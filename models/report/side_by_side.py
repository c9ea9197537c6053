"""Two runs on the same held-back pictures: what each finds and the other does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.bundle import KindManifest
from edge.chain.inspector import Inspector
from edge.files import write_atomically
from edge.records import Frame
from models.data.dataset import DataError
from models.evaluation.evaluate import evaluate
from models.evaluation.float_chain import detector_of, float_inspector
from models.evaluation.interval import share_of
from models.evaluation.metrics import PictureOutcome, summarise
from models.report import page
from models.report.cases import data_uri, marked_uri, shrunk
from models.report.measured import metric_rows
from models.runs.run import Run, RunResult
from models.training.patches import Picture
from models.training.progress import stage, track

MOST = 8  # pictures shown of each sort
SURE = 0.05  # a difference with a smaller p-value is clear


@dataclass(frozen=True, slots=True)
class Differences:
    """Pictures that two runs judge differently, by name. Both sides are in the order of the first.

    Attributes:
        found: defective pictures that only the first run rejects, and only the second one.
        alarmed: good pictures that only the first run rejects, and only the second one.
        defective: number of defective pictures.
        good: number of good pictures.
    """

    found: tuple[tuple[str, ...], tuple[str, ...]]
    alarmed: tuple[tuple[str, ...], tuple[str, ...]]
    defective: int
    good: int


def differences(first: Sequence[PictureOutcome], second: Sequence[PictureOutcome]) -> Differences:
    """Return the pictures that two runs judge differently.

    Raises ValueError unless both have outcomes of the same pictures in the same order.
    """
    pairs = list(zip(first, second, strict=True))
    if any(one.name != other.name for one, other in pairs):
        raise ValueError("expected outcomes of the same pictures in the same order")

    def only(rejects: int, *, defective: bool) -> tuple[str, ...]:
        return tuple(
            pair[0].name
            for pair in pairs
            if pair[0].defective is defective
            and pair[rejects].rejected
            and not pair[1 - rejects].rejected
        )

    bad = sum(outcome.defective for outcome in first)
    return Differences(
        (only(0, defective=True), only(1, defective=True)),
        (only(0, defective=False), only(1, defective=False)),
        bad,
        len(pairs) - bad,
    )


def chance(one: int, other: int) -> float:
    """Return the p-value of a difference between two counts of pictures judged differently.

    It is the exact test of McNemar (1947, Psychometrika 12:153), two-sided; 1 without any picture.
    """
    from scipy.stats import binomtest  # a second; no other page needs it

    return float(binomtest(one, one + other).pvalue) if one + other else 1.0


def write_side_by_side(first: Run, second: Run, path: Path) -> Path:
    """Write a page that compares two completed runs, and return its path. Blocks for minutes.

    Only pictures that both runs hold back count. Raises DataError where there is none, or where the
    runs were trained on different data, and OSError.
    """
    names = _common(first, second)
    with stage(f"comparing {len(names)} held-back pictures"):
        chains = tuple(_Chain(run) for run in (first, second))
        outcomes = tuple(chain.outcomes(names) for chain in chains)
        write_atomically(path, _render(chains, outcomes))
    return path


def _common(first: Run, second: Run) -> tuple[str, ...]:
    """Return the names of the pictures that both runs hold back, in order. Raises DataError."""
    one, other = first.record(), second.record()
    if one.data != other.data:
        raise DataError(
            f"{second.folder}: was trained on {other.data}; expected the data of {first.folder}, "
            f"{one.data}"
        )
    both = set(one.validation) & set(other.validation)
    if not both:
        raise DataError(
            f"{second.folder}: holds back no picture that {first.folder} holds back; train both "
            "with the same recipe key split.seed"
        )
    return tuple(name for name in one.validation if name in both)


class _Chain:
    """The float chain of a run, with its pictures."""

    def __init__(self, run: Run) -> None:
        self.run, self.record, self.result = run, run.record(), run.result()
        self._dataset, self._by_name = run.open_data()
        self._inspector: Inspector = float_inspector(
            detector_of(run.load_detector(), self.record.channels, self.record.alignment),
            run.load_classifier(),
            self.record.channels,
            self.result.chain(),
            tuple(KindManifest(name=kind) for kind in self.record.kinds),
            keep_severity=self.result.keep_severity,
        )

    @property
    def name(self) -> str:
        return self.run.folder.resolve().name

    def picture(self, name: str) -> Picture:
        sample = self._by_name[name]
        return Picture(sample, *self._dataset.load_pair(sample))

    def outcomes(self, names: Sequence[str]) -> tuple[PictureOutcome, ...]:
        pictures = (self.picture(name) for name in track(names, f"inspecting with {self.name}"))
        return evaluate(self._inspector, pictures, self.record.kinds)

    def shown(self, name: str) -> tuple[str, str]:
        """Return a marked copy of a picture as a data URI, and a caption."""
        picture = self.picture(name)
        inspection = self._inspector.examine(Frame(0, 0, 0, 0, picture.pixels))
        verdict = inspection.verdict
        text = f"{self.name}: {verdict.decision.value}, severity {verdict.peak_severity:.1f}"
        return marked_uri(picture, inspection), text


def _render(chains: Sequence[_Chain], outcomes: Sequence[tuple[PictureOutcome, ...]]) -> str:
    names = _labels(chains)
    found = differences(*outcomes)
    return page.page(
        f"{names[0]} and {names[1]}",
        [
            page.section(
                "What differs",
                page.paragraph(_sentence("defective", found.found, names), "lead"),
                page.paragraph(_sentence("good", found.alarmed, names), "lead"),
                page.paragraph(
                    f"{found.defective} defective and {found.good} good pictures, which both runs "
                    "hold back. Each picture counts as one part. The float chains decide, at the "
                    "limits of the runs. p is the probability of a difference as large or larger "
                    "between two equally good runs (exact test of McNemar)."
                ),
            ),
            page.section("Metrics", page.table(("metric", *names), _metrics(outcomes))),
            page.section("Settings", page.table(("key", *names), _settings(chains))),
            page.section("Pictures", *_pictures(chains, names, found)),
        ],
    )


def _labels(chains: Sequence[_Chain]) -> tuple[str, str]:
    """Return the names of the runs, with their folders where the names are equal."""
    one, other = (chain.name for chain in chains)
    if one != other:
        return one, other
    first, second = (str(chain.run.folder) for chain in chains)
    return first, second


def _sentence(
    parts: str, only: tuple[tuple[str, ...], tuple[str, ...]], names: tuple[str, str]
) -> str:
    one, other = (len(some) for some in only)
    p = chance(one, other)
    text = f"{names[0]} alone rejects {one} {parts} pictures, and {names[1]} alone {other}"
    if p >= SURE:
        return f"{text}. The difference may be chance (p = {p:.2g})."
    more = names[0] if one > other else names[1]
    return f"{text}. {more} rejects more of them (p = {p:.2g})."


def _metrics(outcomes: Sequence[tuple[PictureOutcome, ...]]) -> list[tuple[str, ...]]:
    return metric_rows([summarise(some).as_dict() for some in outcomes])


def _settings(chains: Sequence[_Chain]) -> list[tuple[str, ...]]:
    """Return the limits and figures of both runs, and the recipe keys in which they differ."""
    rows = [
        (text, *(_value(getattr(chain.result, key)) for chain in chains))
        for key, text in (
            ("threshold", "T"),
            ("reject_severity", "reject severity"),
            ("part_threshold", "part threshold"),
            ("keep_severity", "keep severity"),
            ("training_s", "training, s"),
        )
    ]
    rows.append(("false rejects stated", *(_stated(chain.result) for chain in chains)))
    one, other = (chain.record.recipe.keys() for chain in chains)
    rows += [
        (key, _value(one.get(key)), _value(other.get(key)))
        for key in dict.fromkeys((*one, *other))
        if one.get(key) != other.get(key)
    ]
    return rows


def _stated(result: RunResult) -> str:
    promise = result.promise
    if promise is None:
        return "–"
    return f"{share_of(promise.rejected, promise.good)} good parts held back"


def _value(value: object) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _pictures(
    chains: Sequence[_Chain], names: tuple[str, str], found: Differences
) -> Iterable[str]:
    for parts, only in (("Defective", found.found), ("Good", found.alarmed)):
        for name, some in zip(names, only, strict=True):
            yield page.heading(f"{parts} pictures that only {name} rejects: {len(some)}")
            yield from (_row(chains, each) for each in some[:MOST])
            if not some:
                yield page.paragraph("None.")
            elif len(some) > MOST:
                left = ", ".join(some[MOST:])
                yield page.folded(f"{len(some) - MOST} more, by name", page.paragraph(left))


def _row(chains: Sequence[_Chain], name: str) -> str:
    picture = chains[0].picture(name)
    kinds = ", ".join(picture.sample.kinds) or "good"
    shown = [(data_uri(shrunk(picture.pixels)), "the picture")]
    return page.row(f"{name}: {kinds}", [*shown, *(chain.shown(name) for chain in chains)])
