"""The parity certificate: every chain against torch's, on parts that no network was trained on."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from edge.bundle import Manifest
from edge.bundle.certificate import Certificate, ParityStep, subject_of
from edge.chain.inspector import Inspector
from edge.records import Frame
from export.chains import TORCH, Build, build_chain, torch_chain
from export.errors import Lost, ParityError
from export.parity import FLOAT_LIMITS, Parity, ParityComparison, ParityLimits, remedy, require
from export.source import ExportSource
from export.synthetic_defects import with_synthetic_defects
from models.evaluation.evaluate import outcome_of
from models.evaluation.metrics import Metrics, PictureOutcome, summarise
from models.report.cases import Case, marked_uri
from models.training.patches import Picture
from models.training.progress import track

log = logging.getLogger(__name__)


SHOWN = 4  # frames of each build whose differences are shown


@dataclass(frozen=True, slots=True)
class Certified:
    """Steps and figures, by build; metrics, of torch and of the builds; and of the builds in int8
    the frames that differ most: torch's answer left, the build's right. lost: the builds that do
    not keep their limits; they have figures and metrics, and no step."""

    steps: tuple[ParityStep, ...]
    parity: dict[str, Parity]
    metrics: dict[str, Metrics]
    differences: tuple[Case, ...]
    lost: tuple[Lost, ...] = ()

    def without(self, names: Iterable[str]) -> Certified:
        """The same without the steps and metrics of these builds."""
        gone = set(names)
        metrics = {name: one for name, one in self.metrics.items() if name not in gone}
        steps = tuple(step for step in self.steps if step.chain not in gone)
        return replace(self, steps=steps, metrics=metrics)

    def beside(self, earlier: Certified) -> Certified:
        """With what was measured earlier of builds that are in this one no more."""
        if earlier is self:
            return self
        return replace(
            self,
            parity={**earlier.parity, **self.parity},
            metrics={**earlier.metrics, **self.metrics},
            differences=(*earlier.differences, *self.differences),
        )


def certify(
    source: ExportSource, manifest: Manifest, builds: Sequence[Build], limits: ParityLimits
) -> Certified:
    """Every build's chain against torch's in float, on the validation pictures, in one pass; where
    nobody drew a defect to train on, also on those with a painted flaw, which count in no metric.

    A float build has limits of its own: it is the same arithmetic. Blocks for all chains over all
    pictures. A build over a limit is lost; it does not stop the others.
    """
    references = {
        flexible: torch_chain(source.detector, source.classifier, manifest, flexible=flexible)
        # Metrics are of torch at the picture's own size; a build of one shape has its like.
        for flexible in {True, *(build.manifest.detector.flexible for build in builds)}
    }
    by_name = {build.name: build for build in builds}
    chains = {name: build_chain(manifest, build) for name, build in by_name.items()}
    comparisons = {name: ParityComparison(manifest.chain.threshold) for name in by_name}
    kinds = tuple(kind.name for kind in manifest.kinds)
    outcomes: dict[str, list[PictureOutcome]] = {name: [] for name in (TORCH, *by_name)}
    synthetic = (
        tuple(with_synthetic_defects(source.held_back)) if source.uses_synthetic_defects else ()
    )
    every = (*source.held_back, *synthetic)
    seen = track(every, f"comparing {len(chains)} builds with torch on the held-back pictures")
    for number, picture in enumerate(seen):
        frame = Frame(number, number, 0, 0, picture.pixels)
        real = number < len(source.held_back)
        expected = {flexible: chain.examine(frame) for flexible, chain in references.items()}
        if real:
            outcomes[TORCH].append(outcome_of(expected[True], picture, kinds))
        for name, build in by_name.items():
            found = chains[name].examine(frame)
            if real:
                outcomes[name].append(outcome_of(found, picture, kinds))
            height, width = picture.kind_map.shape
            comparisons[name].add(
                picture.sample.name if real else f"{picture.sample.name}, flaw painted on it",
                (height, width),
                expected[build.manifest.detector.flexible],
                found,
                defective=not (real and picture.sample.is_good),
            )
    parity = {name: comparison.parity() for name, comparison in comparisons.items()}
    steps: list[ParityStep] = []
    lost: list[Lost] = []
    for name, build in by_name.items():
        log.info("parity %s %s", name, parity[name])
        in_float = build.manifest.precision == "float32"
        allowed = FLOAT_LIMITS if in_float else limits
        try:
            require(parity[name], allowed, name, TORCH)
        except ParityError as error:
            helps = "" if in_float else f"To pack it as it is: {remedy(parity[name], allowed)}"
            lost.append(Lost(name, str(error), helps))
            continue
        figures = parity[name].as_dict()
        steps.append(ParityStep(chain=name, against=TORCH, figures=figures, limits=asdict(allowed)))
    differences = [
        _difference(name, picture, references[build.manifest.detector.flexible], chains[name])
        for name, build in by_name.items()
        if build.manifest.precision == "int8"
        for picture in _named(source.held_back, comparisons[name].worst(SHOWN))
    ]
    metrics = {name: summarise(found) for name, found in outcomes.items()}
    return Certified(tuple(steps), parity, metrics, tuple(differences), tuple(lost))


def _named(pictures: Sequence[Picture], names: Sequence[str]) -> list[Picture]:
    by_name = {picture.sample.name: picture for picture in pictures}
    return [by_name[name] for name in names if name in by_name]


def _difference(build: str, picture: Picture, reference: Inspector, chain: Inspector) -> Case:
    frame = Frame(0, 0, 0, 0, picture.pixels)
    pair = [(each.examine(frame), name) for each, name in ((reference, TORCH), (chain, build))]
    said = "; ".join(
        f"{name}: {seen.verdict.decision.value}, {seen.verdict.reason}, peak severity "
        f"{seen.verdict.peak_severity:.2f}"
        for seen, name in pair
    )
    kinds = ", ".join(picture.sample.kinds) or "good part"
    left, right = (marked_uri(picture, seen) for seen, _ in pair)
    return Case(picture.sample.name, f"{kinds}. {said}", left, right)


def certificate_for(
    manifest: Manifest, builds: Sequence[Build], steps: Sequence[ParityStep]
) -> bytes:
    """certificate.json of the manifest, its builds as they will be packed."""
    networks = {
        name: hashlib.sha256(data).hexdigest()
        for build in builds
        for name, data in sorted(build.files.items())
    }
    certificate = Certificate(subject=subject_of(manifest, networks), steps=tuple(steps))
    return (certificate.model_dump_json(indent=1) + "\n").encode()
