"""The record of a candidate."""

from __future__ import annotations

from models.candidates.record import MethodCandidate


def candidate(**changed: object) -> MethodCandidate:
    usual: dict[str, object] = {
        "method": "memory-bank",
        "training_s": 1.0,
        "ms_per_frame": 5.0,
        "size_bytes": 1000,
        "threshold": 4.1,
        "escapes": 0,
        "false_rejects": 0,
        "synthetic_escapes": 0,
        "image_ap": None,
        "image_auroc": None,
        "synthetic_auroc": 0.9,
        "figure": 0.9,
        "figure_low": 0.8,
        "figure_high": 1.0,
    }
    return MethodCandidate.model_validate(usual | changed)
