"""One export from the run's folder to the files: the bundle, export.json and export.html."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle import SUFFIX, read_bundle, sign_bundle, write_bundle
from edge.bundle.keys import read_private_key
from export.budget import check_budget
from export.kept_steps import KeptSteps
from export.options import ExportOptions
from export.pack import Exported, build_bundle, bundle_name
from export.page import write_page
from export.record import record_of
from models.report.exported import ExportRecord, write_export
from models.runs.run import Run
from models.training.progress import stage


@dataclass(frozen=True, slots=True)
class ExportJob:
    """The arguments of an export.

    Attributes:
        run: folder of a completed run. For the folder of a comparison, the recommended run is
            exported.
        out: the bundle to write; None writes NAME.outfeed into ``run``.
        key: private key file that signs the bundle; None leaves it unsigned.
        passphrase: passphrase of an encrypted key.
        options: settings of the bundle.
    """

    run: Path
    out: Path | None
    key: Path | None
    passphrase: bytes | None
    options: ExportOptions


@dataclass(frozen=True, slots=True)
class FinishedExport:
    """A finished export: its files, the key that signed, and what was measured."""

    bundle: Path
    page: Path
    signer: Ed25519PrivateKey | None
    record: ExportRecord
    exported: Exported


def run_job(job: ExportJob) -> FinishedExport:
    """Export a run and write the bundle, export.json and export.html. Blocks for minutes.

    Raises ExportError, DataError, BundleError and OSError. The bundle is written whole or not at
    all. A call that was stopped goes on from its finished steps when it is made again.
    """
    signer = None if job.key is None else read_private_key(job.key, job.passphrase)
    run = Run(job.run)
    name = job.options.name or bundle_name(job.run)
    exported = build_bundle(run, replace(job.options, name=name), keep_steps=True)
    path = job.out or job.run / f"{name}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = exported.data if signer is None else sign_bundle(exported.data, signer)
    write_bundle(path, data)
    file = Path(os.path.relpath(path.resolve(), run.folder.resolve())).as_posix()
    record = record_of(exported, file)
    budget = run.record().budget
    if budget is not None:
        with stage("timing the bundle against the budget"):
            verdict = check_budget(path, read_bundle(path), budget)
        record = record.model_copy(update={"budget": verdict})
    write_export(run.folder, record)
    page = write_page(run.folder, record, exported.certified)
    KeptSteps(run.folder, "").clear()
    return FinishedExport(path, page, signer, record, exported)
