"""A certificate is for one bundle, down to the bytes of its networks."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from edge.bundle import CERTIFICATE, Bundle, Manifest, check_certificate, parse_bundle
from edge.errors import BundleError
from tests.support.bundles import bundle_bytes

GOOD = parse_bundle(bundle_bytes())


def refusal(manifest: Manifest, files: dict[str, bytes] = GOOD.files) -> str:
    with pytest.raises(BundleError) as caught:
        check_certificate(manifest, files)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(**changes: Any) -> Manifest:
    return GOOD.manifest.model_copy(update=changes)


def test_the_bundles_own_is_fine() -> None:
    assert check_certificate(GOOD.manifest, GOOD.files).subject.kinds == GOOD.manifest.kinds


def test_another_threshold() -> None:
    chain = GOOD.manifest.chain.model_copy(update={"threshold": 4.5})
    assert refusal(changed(chain=chain)) == (
        "its certificate is another's: chain.threshold is 4.5, certified was 4.0"
    )


def test_kinds_in_another_order() -> None:
    said = refusal(changed(kinds=GOOD.manifest.kinds[::-1]))
    assert said.endswith("kinds.0.name is stain, certified was hole")


def test_one_kind_more() -> None:
    said = refusal(changed(kinds=(*GOOD.manifest.kinds, GOOD.manifest.kinds[0])))
    assert said.endswith("kinds.2.name is hole, certified was nothing")


def test_a_network_of_another_build() -> None:
    files = dict(GOOD.manifest.files)
    stale = files["detector.onnx"].model_copy(update={"sha256": "0" * 64})
    said = refusal(changed(files={**files, "detector.onnx": stale}))
    assert "networks.detector.onnx is 0000000000000000, certified was " in said


def test_none_at_all_and_none_that_is_one() -> None:
    assert refusal(GOOD.manifest, {}).startswith("has no parity certificate")
    assert "certificate.json: " in refusal(GOOD.manifest, {CERTIFICATE: b"{}"})


def test_one_of_another_bundle() -> None:
    other: Bundle = parse_bundle(bundle_bytes(size=(64, 64)))
    files = {**GOOD.files, CERTIFICATE: other.files[CERTIFICATE]}
    assert "detector.height is 96, certified was 64" in refusal(GOOD.manifest, files)
