"""A template file of one drawn part."""

from __future__ import annotations

import numpy as np

from edge.chain.template.file import (
    TemplateHeader,
    TemplateReference,
)
from tests.models.methods.parts import drawing, seen

HEIGHT, WIDTH = 240, 320


def header(**changes: object) -> TemplateHeader:
    plain: dict[str, object] = {
        "height": HEIGHT,
        "width": WIDTH,
        "channels": 1,
        "max_rotation_deg": 5.0,
        "max_shift_px": 20.0,
        "max_scale": 0.03,
        "min_match": 0.5,
        "unit": 4.0,
    }
    return TemplateHeader.model_validate(plain | changes)


def reference(variant: int = 0) -> TemplateReference:
    golden = seen(drawing(HEIGHT, WIDTH, variant=variant), noise=0.0)
    return TemplateReference(golden, np.full((HEIGHT, WIDTH), 24, np.uint8))  # 3 grey levels
