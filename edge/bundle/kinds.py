"""The methods that give the severity map, by the name in recipes and bundles."""

from __future__ import annotations

from typing import Literal

# Template and threshold are files that the station reads itself (edge/chain/load.py).
# The others are networks.
DetectorKind = Literal[
    "regression",
    "autoencoder",
    "cascade",
    "memory-bank",
    "reverse-distillation",
    "ensemble",
    "simplenet",
    "supersimplenet",
    "efficientad",
    "patchcore",
    "padim",
    "texture",
    "template",
    "threshold",
]
# The methods whose networks may give one score of the part beside the map.
PART_SCORE_KINDS: tuple[DetectorKind, ...] = ("regression", "supersimplenet", "patchcore")
# The methods whose networks compare each place with the same place of other parts. A frame that is
# not of the size of a run is refused.
ONE_SIZE_KINDS: tuple[DetectorKind, ...] = ("padim",)
