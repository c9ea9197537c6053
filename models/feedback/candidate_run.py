"""The folder of a new run that holds the networks and settings of a candidate."""

from __future__ import annotations

from pathlib import Path

from edge.bundle import ChainManifest, KindManifest
from edge.errors import QuarantineError
from edge.files import write_atomically
from edge.quarantine import QuarantineEntry, QuarantineIndex, read_index
from edge.quarantine.drawn import mask_path
from edge.quarantine.index import write_index
from models.data.dataset import DataError
from models.data.quarantined import masks_of, sample_name
from models.evaluation.evaluate import evaluate
from models.evaluation.float_chain import RunOnce, detector_of, float_inspector
from models.evaluation.metrics import summarise
from models.evaluation.reject_severity import above_threshold
from models.evaluation.threshold import search_threshold
from models.feedback.dataset import FeedbackDataset
from models.feedback.routes import RouteCandidate
from models.networks import BlockClassifier
from models.runs.run import Run, RunRecord, RunResult
from models.training.session import curve_of


def write_run(folder: Path, feedback: FeedbackDataset, candidate: RouteCandidate) -> Run:
    """Write a new run's folder with everything that `make export` and `make report` read.

    The folder also holds the marked parts, so it stays complete when the quarantine is deleted.
    Blocks for the chain over the validation pictures. Raises DataError.
    """
    run = Run(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _copy_quarantine(feedback, run.quarantine)
    except (QuarantineError, OSError) as error:
        raise DataError(str(error)) from error
    record = _record(feedback)
    run.begin(record)
    run.save_detector(candidate.detector)
    if candidate.classifier is not None:
        run.save_classifier(candidate.classifier)
    _, by_name = run.open_data()
    lines = [str(by_name[name].image_path.resolve()) for name in record.validation]
    run.validation_list.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run.finish(_result(feedback, candidate))
    return run


def _record(feedback: FeedbackDataset) -> RunRecord:
    """Return the record of the new run.

    Marked false rejects that were learned are training pictures, and so are learned bad parts with
    masks. Other learned bad parts are ``unmasked``. Held-back parts are validation pictures.
    """
    old = feedback.record
    samples = [m.picture.sample for m in feedback.learned]
    annotated = (sample.name for sample in samples if not sample.unmasked)
    bad = (sample.name for sample in samples if sample.unmasked)
    held_back = (sample_name(m.entry) for m in feedback.held_back)
    return old.model_copy(
        update={
            "train": (*old.train, *annotated),
            "validation": (*old.validation, *held_back),
            "unmasked": (*old.unmasked, *bad),
        }
    )


def _result(feedback: FeedbackDataset, candidate: RouteCandidate) -> RunResult:
    record, settings = feedback.record, candidate.settings
    detected = RunOnce(detector_of(candidate.detector, record.channels, record.alignment))
    pictures = (*feedback.validation, *(marked.picture for marked in feedback.held_back))
    reject_severity = above_threshold(settings.reject_severity, settings.threshold)
    chain = ChainManifest(
        threshold=settings.threshold,
        join_px=feedback.result.join_px,
        reject_severity=reject_severity,
    )
    kinds = tuple(KindManifest(name=kind) for kind in record.kinds)

    def measure(classifier: BlockClassifier | None) -> dict[str, float]:
        inspector = float_inspector(
            detected,
            classifier,
            record.channels,
            chain,
            kinds,
            keep_severity=settings.keep_severity,
        )
        return summarise(evaluate(inspector, pictures, record.kinds)).as_dict()

    metrics = {"float": measure(candidate.classifier)}
    if candidate.classifier is not None:
        metrics["float without classifier"] = measure(None)
    drawn = (p for p in pictures if not p.sample.unmasked)
    search = search_threshold((detected.detect(p.pixels), p.kind_map > 0) for p in drawn)
    return feedback.result.model_copy(
        update={
            "threshold": settings.threshold,
            "keep_severity": settings.keep_severity,
            "reject_severity": reject_severity,
            # It was proved for the limit of the old run, on the parts that were held back then.
            "promise": None,
            "metrics": metrics,
            "curve": curve_of(search),
            "detector_loss": candidate.detector_loss,
            "classifier_loss": candidate.classifier_loss,
        }
    )


def _copy_quarantine(feedback: FeedbackDataset, folder: Path) -> None:
    """Copy the marked parts of the old run and the new ones, each with its picture and masks."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    old = feedback.run.quarantine
    entries: list[tuple[Path, QuarantineEntry]] = []
    if old.is_dir():
        entries += [(old, entry) for entry in read_index(old).entries]
    entries += [
        (feedback.folder, marked.entry) for marked in (*feedback.learned, *feedback.held_back)
    ]
    masks = {source: masks_of(source) for source, _ in entries}
    for source, entry in entries:
        write_atomically(folder / entry.file, (source / entry.file).read_bytes())
        for mask in masks[source].get(entry.id, ()):
            path = mask_path(folder, entry, mask.kind)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, mask.path.read_bytes())
    write_index(folder, QuarantineIndex().with_entries({entry.id: entry for _, entry in entries}))
