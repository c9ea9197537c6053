"""The protocols of published sets, by name."""

from __future__ import annotations

from bench.public_sets.fold import Protocol
from bench.public_sets.protocols import (
    btad,
    cracks,
    dagm2007,
    deeppcb,
    elpv,
    kolektor,
    magnetic_tile,
    mvtec,
    visa,
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        mvtec.AD,
        mvtec.AD_2,
        visa.VISA,
        btad.BTAD,
        kolektor.KOLEKTORSDD,
        kolektor.KOLEKTORSDD2,
        dagm2007.DAGM2007,
        deeppcb.DEEPPCB,
        cracks.DEEPCRACK,
        cracks.CRACKFOREST,
        elpv.BY_RUNS,
        elpv.BY_CELL,
        magnetic_tile.BY_RUNS,
        magnetic_tile.BY_FILE,
    )
}
