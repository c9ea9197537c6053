"""The manifest of a bundle as a table and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from rich.table import Table

from edge.bundle import (
    AlignmentManifest,
    Bundle,
    KindManifest,
    Manifest,
    TrainedOn,
    check_certificate,
    key_id,
)
from edge.bundle.certificate import ParityStep
from edge.bundle.keys import public_text
from edge.errors import BundleError
from edge.terminals import escape

_NAMED_SIZES = 4


def manifest_json(bundle: Bundle) -> str:
    """Return ``id``, ``digest``, ``size_bytes``, ``signer``, ``key_id`` and the manifest as JSON.

    ``signer`` and ``key_id`` are null for an unsigned bundle.
    """
    signer = bundle.signer
    head = {
        "id": bundle.id,
        "digest": bundle.digest,
        "size_bytes": bundle.size_bytes,
        "signer": None if signer is None else public_text(signer),
        "key_id": None if signer is None else key_id(signer),
    }
    return json.dumps({**head, **bundle.manifest.model_dump(mode="json")}, indent=1)


def manifest_table(bundle: Bundle) -> Table:
    """Return the manifest as a table of two columns."""
    manifest = bundle.manifest
    table = Table(show_header=False, title=escape(bundle.id), title_justify="left")
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, text in _rows(bundle, manifest):
        table.add_row(escape(name), escape(text))
    return table


def _rows(bundle: Bundle, manifest: Manifest) -> list[tuple[str, str]]:
    detector, classifier, chain = manifest.detector, manifest.classifier, manifest.chain
    rows = [
        ("name", manifest.name),
        ("version", manifest.version),
        ("digest", bundle.digest),
        ("size", f"{bundle.size_bytes} bytes"),
        ("signature", _signature(bundle.signer)),
        ("made by", f"outfeed {manifest.outfeed_version}"),
        ("for stations", ", ".join(manifest.compatible)),
        ("requires", manifest.requires),
        (
            "detector",
            f"{detector.kind} {detector.network}\n"
            f"{detector.width}×{detector.height} px, {_colour(detector.channels)}, "
            f"tiles overlap by {detector.overlap_px} px, a cell is {detector.stride_px} px",
        ),
        ("alignment", _alignment(detector.alignment)),
        (
            "classifier",
            "none"
            if classifier is None
            else f"blocks of {classifier.size_px} px, {_colour(classifier.channels)}",
        ),
        ("builds", ", ".join(build.name for build in manifest.builds)),
        ("threshold T", f"{chain.threshold:g} of 12"),
        ("reject severity", _limit(chain.reject_severity, "every defect rejects")),
        ("part threshold", _limit(chain.part_threshold, "none")),
        ("joined below", f"{chain.join_px:g} px"),
        ("regions at most", str(chain.max_regions)),
    ]
    rows += [(f"kind {kind.name}", _kind(kind)) for kind in manifest.kinds]
    rows += _certificate(bundle)
    for name, values in manifest.metrics.items():
        rows.append((f"metrics {name}", "\n".join(_measured(values))))
    if manifest.trained_on is not None:
        rows.append(("trained on", _trained_on(manifest.trained_on)))
    golden = [
        f"{frame.file}: {frame.decision}, peak severity {frame.peak_severity:.2f}"
        + "".join(f", {defect.kind} at {list(defect.box)}" for defect in frame.defects)
        for frame in manifest.golden
    ]
    rows.append(("golden frames", "\n".join(golden) or "none"))
    files = [f"{name}: {entry.bytes} bytes" for name, entry in manifest.files.items()]
    rows.append(("files", "\n".join(files)))
    return rows


def _trained_on(known: TrainedOn) -> str:
    sides = [f"{width}×{height}" for height, width in known.sizes[:_NAMED_SIZES]]
    more = len(known.sizes) - len(sides)
    named = ", ".join(sides) + (f" and {more} sizes more" if more else "")
    return f"{named} px, {' and '.join(_colour(one) for one in known.channels)}"


def _measured(values: dict[str, float]) -> Iterator[str]:
    """Yield one line for each figure.

    A count is unknown where there was no part of that sort. Bundles of earlier versions have 0
    there.
    """
    defective, parts = values.get("defective"), values.get("parts")
    for name, value in values.items():
        is_empty = {"escapes": defective == 0, "false_rejects": defective == parts}.get(name, False)
        known = "unknown" if is_empty or math.isnan(value) else f"{value:.4g}"
        yield f"{name} {known}"


def _signature(signer: str | None) -> str:
    return "unsigned" if signer is None else f"key {key_id(signer)}\n{public_text(signer)}"


def _certificate(bundle: Bundle) -> list[tuple[str, str]]:
    """Return the certified figures of each build, or the reason why the certificate is invalid."""
    try:
        certificate = check_certificate(bundle.manifest, bundle.files)
    except BundleError as error:
        return [("certificate", str(error))]
    return [
        (f"certified {step.chain}", f"against {step.against}: " + _figures(step))
        for step in certificate.steps
    ] or [("certificate", "covers no build")]


def _figures(step: ParityStep) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.4g}"
        + (f" (limit {step.limits[name]:g})" if name in step.limits else "")
        for name, value in step.figures.items()
    )


def _limit(limit: float | None, without: str) -> str:
    return without if limit is None else f"{limit:g} of 12"


def _kind(kind: KindManifest) -> str:
    rule = kind.rule
    if not rule.reject:
        text = "reported only, never rejects"
    else:
        limits = [f"from {rule.min_count} of them"] if rule.min_count > 1 else []
        if rule.min_area_px:
            limits.append(f"from {rule.min_area_px} px")
        if rule.min_peak_severity:
            limits.append(f"from severity {rule.min_peak_severity:g}")
        text = "rejects " + (", ".join(limits) or "always")
    return f"{text}\n{kind.guidance}" if kind.guidance else text


def _alignment(alignment: AlignmentManifest | None) -> str:
    if alignment is None:
        return "none: the detector sees the frame"
    pose = "centred"
    if alignment.turns:
        pose = "one pose" if alignment.directed else "one of two poses, half a turn apart"
    return (
        f"one part of {alignment.least_area_px} to {alignment.most_area_px} px, {pose}, in "
        f"{alignment.width}×{alignment.height} px"
    )


def _colour(channels: int) -> str:
    return "grey" if channels == 1 else "colour"
