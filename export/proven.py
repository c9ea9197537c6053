"""A packed bundle that has reproduced its golden frames on this machine."""

from __future__ import annotations

from collections.abc import Sequence

from edge.bundle import CERTIFICATE, Bundle, Manifest, pack, parse_bundle
from edge.chain.load import build_inspector, prove
from export.certificate import Certified, certificate_for
from export.chains import Build, engine_of
from export.golden import Golden


def pack_proven(
    manifest: Manifest,
    builds: Sequence[Build],
    golden: Golden,
    certified: Certified,
    reference: dict[str, bytes],
) -> tuple[Bundle, bytes]:
    """Pack a bundle, and run its golden frames on this machine. Raises BundleError.

    Returns the parsed bundle and its bytes.
    """
    whole = manifest.model_copy(
        update={
            "golden": golden.frames,
            "reference": next(iter(reference), None),
            "builds": tuple(
                b.manifest.model_copy(update={"golden": golden.limits}) for b in builds
            ),
            "metrics": {name: values.as_measures() for name, values in certified.metrics.items()},
        }
    )
    files = {name: data for build in builds for name, data in build.files.items()}
    files |= golden.files | reference
    files[CERTIFICATE] = certificate_for(whole, builds, certified.steps)
    data = pack(whole, files)
    bundle = parse_bundle(data)
    for build in builds:
        engine = engine_of(build.manifest)
        prove(bundle, build_inspector(bundle, now_ns=lambda: 0, engine=engine), engine)
    return bundle, data
