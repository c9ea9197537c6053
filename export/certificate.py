"""The parity certificate: the comparison of each build with the network in torch.

The comparison uses pictures that no network was trained on.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from pydantic import TypeAdapter

from edge.bundle import Manifest
from edge.bundle.certificate import Certificate, ParityStep, subject_of
from edge.chain.inspector import Inspector
from edge.records import Frame
from export.chains import TORCH, Build, build_chain, side_by_side, torch_chain
from export.errors import BuildFailure, ParityError
from export.parity import (
    FLOAT_LIMITS,
    Parity,
    ParityComparison,
    ParityLimits,
    limit_options,
    require,
)
from export.source import ExportSource
from models.evaluation.evaluate import outcome_of
from models.evaluation.metrics import Metrics, PictureOutcome, summarise
from models.report.cases import Case, marked_uri
from models.training.patches import Picture
from models.training.progress import track

log = logging.getLogger(__name__)


SHOWN = 4  # frames shown for each build: those that differ most


@dataclass(frozen=True, slots=True)
class Certified:
    """The result of the comparison of the builds with torch.

    Attributes:
        steps: the entries of the certificate, one for each build within its limits.
        parity: the figures of the comparison, by build.
        metrics: the metrics on the validation pictures, by build, and of torch.
        differences: the frames that differ most, for each int8 build: torch left, build right.
        failures: the builds that exceed a limit. They have figures and metrics, but no step.
    """

    steps: tuple[ParityStep, ...]
    parity: dict[str, Parity]
    metrics: dict[str, Metrics]
    differences: tuple[Case, ...]
    failures: tuple[BuildFailure, ...] = ()

    def without(self, names: Iterable[str]) -> Certified:
        """Return a copy without the steps and metrics of the named builds."""
        failed = set(names)
        metrics = {name: one for name, one in self.metrics.items() if name not in failed}
        steps = tuple(step for step in self.steps if step.chain not in failed)
        return replace(self, steps=steps, metrics=metrics)

    def beside(self, earlier: Certified) -> Certified:
        """Return a copy that also holds the earlier figures of builds which are missing here."""
        if earlier is self:
            return self
        return replace(
            self,
            parity={**earlier.parity, **self.parity},
            metrics={**earlier.metrics, **self.metrics},
            differences=(*earlier.differences, *self.differences),
        )


CERTIFIED = TypeAdapter(Certified)  # the form in which a comparison is kept


def certify(
    source: ExportSource, manifest: Manifest, builds: Sequence[Build], limits: ParityLimits
) -> Certified:
    """Compare the chain of every build with the chain on torch, on the validation pictures.

    Where no training picture has a drawn defect, pictures with synthetic defects are compared as
    well. They count in no metric. A float build has the stricter FLOAT_LIMITS, because it computes
    the same arithmetic. A build that exceeds a limit becomes a failure and does not stop the
    others. Blocks for all chains over all pictures.
    """
    references = {
        flexible: torch_chain(source.detector, source.classifier, manifest, flexible=flexible)
        # Metrics use the size of the picture. A build with one shape is compared at that shape.
        for flexible in {True, *(build.manifest.detector.flexible for build in builds)}
    }
    by_name = {build.name: build for build in builds}
    chains = {name: build_chain(manifest, build) for name, build in by_name.items()}
    comparisons = {name: ParityComparison(manifest.chain.threshold) for name in by_name}
    kinds = tuple(kind.name for kind in manifest.kinds)
    outcomes: dict[str, list[PictureOutcome]] = {name: [] for name in (TORCH, *by_name)}
    every = (*source.held_back, *source.synthetic)
    progress = track(every, f"comparing {len(chains)} builds with torch on the held-back pictures")
    with side_by_side({**references, **chains}) as examine:
        for number, picture in enumerate(progress):
            found = examine(Frame(number, number, 0, 0, picture.pixels))
            name = picture.sample.name
            if number < len(source.held_back):
                is_defective = not picture.sample.is_good
                outcomes[TORCH].append(outcome_of(found[True], picture, kinds))
                for key in by_name:
                    outcomes[key].append(outcome_of(found[key], picture, kinds))
            else:
                name, is_defective = f"{name} with a synthetic defect", True
            height, width = picture.kind_map.shape
            for key, one in by_name.items():
                expected = found[one.manifest.detector.flexible]
                comparisons[key].add(
                    name, (height, width), expected, found[key], defective=is_defective
                )
    parity = {name: comparison.parity() for name, comparison in comparisons.items()}
    steps: list[ParityStep] = []
    failures: list[BuildFailure] = []
    for name, build in by_name.items():
        log.info("parity %s %s", name, parity[name])
        in_float = build.manifest.precision == "float32"
        allowed = FLOAT_LIMITS if in_float else limits
        try:
            require(parity[name], allowed, name, TORCH)
        except ParityError as error:
            options = "" if in_float else limit_options(parity[name], allowed)
            remedy = f"To pack it as it is: {options}" if options else ""
            failures.append(BuildFailure(name, str(error), remedy))
            continue
        figures = parity[name].as_dict()
        steps.append(ParityStep(chain=name, against=TORCH, figures=figures, limits=asdict(allowed)))
    differences = [
        _difference(name, picture, references[build.manifest.detector.flexible], chains[name])
        for name, build in by_name.items()
        if build.manifest.precision == "int8"
        for picture in _named(source.held_back, comparisons[name].worst(SHOWN))
    ]
    metrics = {name: summarise(measured) for name, measured in outcomes.items()}
    return Certified(tuple(steps), parity, metrics, tuple(differences), tuple(failures))


def _named(pictures: Sequence[Picture], names: Sequence[str]) -> list[Picture]:
    by_name = {picture.sample.name: picture for picture in pictures}
    return [by_name[name] for name in names if name in by_name]


def _difference(build: str, picture: Picture, reference: Inspector, chain: Inspector) -> Case:
    frame = Frame(0, 0, 0, 0, picture.pixels)
    expected, inspection = reference.examine(frame), chain.examine(frame)
    results = "; ".join(
        f"{name}: {each.verdict.decision.value}, {each.verdict.reason}, peak severity "
        f"{each.verdict.peak_severity:.2f}"
        for each, name in ((expected, TORCH), (inspection, build))
    )
    kinds = ", ".join(picture.sample.kinds) or "good part"
    left, right = marked_uri(picture, expected), marked_uri(picture, inspection)
    return Case(picture.sample.name, f"{kinds}. {results}", left, right)


def certificate_for(
    manifest: Manifest, builds: Sequence[Build], steps: Sequence[ParityStep]
) -> bytes:
    """Return the content of certificate.json for a manifest and the builds that will be packed."""
    networks = {
        name: hashlib.sha256(data).hexdigest()
        for build in builds
        for name, data in sorted(build.files.items())
    }
    certificate = Certificate(subject=subject_of(manifest, networks), steps=tuple(steps))
    return (certificate.model_dump_json(indent=1) + "\n").encode()
