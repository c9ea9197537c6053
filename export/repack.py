"""Packing of the unchanged networks of a bundle with other settings of the chain."""

from __future__ import annotations

from dataclasses import replace

from edge.bundle import Bundle, GoldenLimits
from export.certificate import certify
from export.chains import TORCH, Build, build_chain, torch_chain
from export.errors import ExportError, ParityError
from export.golden import choose_golden
from export.pack import Exported
from export.parity import ParityLimits
from export.proven import pack_proven
from export.reference import reference_file
from export.source import open_source
from models.runs.run import Run


def repack(run: Run, old: Bundle, version: str, limits: ParityLimits) -> Exported:
    """Pack the networks of a bundle with the T and keep_severity of a run.

    run: must hold the networks of the bundle. Nothing is quantised. The parity certificate and the
    golden frames are made again. Blocks for every build over the validation pictures. Raises
    ExportError, DataError and BundleError.
    """
    manifest = old.manifest
    spec = manifest.detector
    source = open_source(
        run, name=manifest.name, version=version, height=spec.height, width=spec.width
    )
    if source.draft.detector != spec:
        raise ExportError(
            f"{old.id} was not exported from this run: its detector is {spec.network}, "
            f"{spec.width}×{spec.height} px, {spec.channels} channels"
        )
    builds = [
        Build(
            build.model_copy(update={"golden": GoldenLimits()}),
            {name: old.files[name] for name in build.files},
        )
        for build in manifest.builds
    ]
    draft = source.draft.model_copy(
        update={"kinds": manifest.kinds, "builds": tuple(build.manifest for build in builds)}
    )
    source = replace(source, draft=draft)
    certified = certify(source, draft, builds, limits)
    if certified.failures:
        # Stations run these builds, so a bundle without one of them would fail on some stations.
        raise ParityError("; ".join(str(failures) for failures in certified.failures))
    chains = {build.name: build_chain(draft, build) for build in builds}
    chains[TORCH] = torch_chain(source.detector, source.classifier, draft, flexible=True)
    golden = choose_golden(
        chains, source.held_back, source.size, draft.chain.threshold, draft.detector.alignment
    )
    reference = reference_file(source, chains[builds[0].name])
    bundle, data = pack_proven(draft, builds, golden, certified, reference)
    return Exported(data, bundle, certified, (), (), None)
