"""The record of an export, which export.json holds."""

from __future__ import annotations

from export.pack import Exported
from export.quantisation.search import describe
from models.report.exported import BuildFailureRecord, ExportRecord, TriedRecord


def record_of(exported: Exported, file: str) -> ExportRecord:
    """Return the record of an export. file: path of the bundle, relative to the run's folder."""
    manifest = exported.bundle.manifest
    return ExportRecord(
        bundle=exported.bundle.id,
        file=file,
        precision=manifest.builds[0].precision,
        threshold=manifest.chain.threshold,
        keep_severity=manifest.classifier.keep_severity if manifest.classifier else None,
        reject_severity=manifest.chain.reject_severity,
        max_false_rejects=exported.limit,
        metrics={name: one.as_measures() for name, one in exported.certified.metrics.items()},
        parity={name: parity.as_dict() for name, parity in exported.certified.parity.items()},
        tried=tuple(
            TriedRecord(
                network=tried.network,
                way=describe(tried.scheme),
                figures=tried.parity.as_dict(),
                fault=tried.fault,
            )
            for tried in exported.tried
        ),
        latency_ms={latency.name: latency.ms for latency in exported.latency},
        builds={
            build.name: sum(manifest.files[name].bytes for name in build.files)
            for build in manifest.builds
        },
        unknown=exported.unknown,
        failures=tuple(
            BuildFailureRecord(build=each.build, reason=each.reason, remedy=each.remedy)
            for each in exported.failures
        ),
    )
