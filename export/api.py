"""The public export API: export a training run as a bundle in one call.

``from export import export_run`` imports these names; docs/reference/python-api.md describes them.
The command `python -m export` does the same work.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.bundle import key_id
from edge.bundle.keys import public_of
from export.errors import ExportError, ParityError
from export.job import ExportJob, run_job
from export.options import ExportOptions
from export.parity import ParityLimits
from models.report.exported import EXPORT

__all__ = [
    "ExportError",
    "ExportOptions",
    "ExportResult",
    "ParityError",
    "ParityLimits",
    "export_run",
]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A finished export.

    Attributes:
        bundle: the bundle, NAME.outfeed.
        bundle_id: name, version and checksum of the bundle.
        page: the HTML page that describes the export (export.html in the run's folder).
        record: the same figures as JSON (export.json in the run's folder).
        signed_by: identifier of the key that signed the bundle; None for an unsigned bundle.
        builds: the builds in the bundle, for instance "onnx-int8".
        not_packed: one line for each build that was requested and is not packed.
        warnings: one line for each fact that the validation pictures cannot show.
        threshold: T of the bundle, a severity above 0 and up to 12.
        metrics: figures of the first build on the validation pictures, by name. A figure that
            cannot be counted is NaN.
    """

    bundle: Path
    bundle_id: str
    page: Path
    record: Path
    signed_by: str | None
    builds: tuple[str, ...]
    not_packed: tuple[str, ...]
    warnings: tuple[str, ...]
    threshold: float
    metrics: Mapping[str, float]


def export_run(
    run: str | os.PathLike[str],
    key: str | os.PathLike[str] | None = None,
    *,
    passphrase: str | None = None,
    out: str | os.PathLike[str] | None = None,
    options: ExportOptions | None = None,
) -> ExportResult:
    """Export a training run as a bundle: quantise it, compare it with the float chain, and pack it.

    Blocks for minutes. Logs its progress below the logger ``export``. Only one export of a run may
    be made at a time.

    Args:
        run: folder of a completed training run, as ``models.train`` returns it.
        key: private key file that signs the bundle. None leaves the bundle unsigned; a station
            accepts signed bundles only.
        passphrase: passphrase of the key, where it is encrypted.
        out: the bundle to write; None writes NAME.outfeed into ``run``.
        options: settings of the bundle; None uses the defaults of ``ExportOptions``.

    Returns:
        The paths of the files that were written, and the figures of the bundle.

    Raises:
        ExportError: the run cannot be exported as it is; no bundle is written.
        DataError: the run, or a picture that it names, cannot be read.
        BundleError: the key cannot be read.
        OSError: a file cannot be written.
    """
    done = run_job(
        ExportJob(
            run=Path(run),
            out=None if out is None else Path(out),
            key=None if key is None else Path(key),
            passphrase=None if passphrase is None else passphrase.encode(),
            options=options or ExportOptions(),
        )
    )
    bundle = done.exported.bundle
    first = bundle.manifest.builds[0].name
    return ExportResult(
        bundle=done.bundle,
        bundle_id=bundle.id,
        page=done.page,
        record=done.page.with_name(EXPORT),
        signed_by=None if done.signer is None else key_id(public_of(done.signer)),
        builds=tuple(build.name for build in bundle.manifest.builds),
        not_packed=tuple(str(failure) for failure in done.exported.failures),
        warnings=done.exported.unknown,
        threshold=bundle.manifest.chain.threshold,
        metrics=done.exported.certified.metrics[first].as_measures(),
    )
