"""All methods, by the name in recipes and bundles."""

from __future__ import annotations

from edge.bundle.kinds import DetectorKind
from models.methods.autoencoder import training as autoencoder
from models.methods.base import Method
from models.methods.cascade import training as cascade
from models.methods.efficientad import training as efficientad
from models.methods.ensemble import training as ensemble
from models.methods.memory_bank import training as memory_bank
from models.methods.padim import training as padim
from models.methods.patchcore import training as patchcore
from models.methods.regression import training as regression
from models.methods.reverse_distillation import training as reverse_distillation
from models.methods.simplenet import training as simplenet
from models.methods.supersimplenet import training as supersimplenet
from models.methods.template import training as template
from models.methods.texture import training as texture
from models.methods.threshold import training as threshold
from models.training.recipe import Recipe

METHODS: dict[DetectorKind, Method] = {
    "regression": regression.METHOD,
    "autoencoder": autoencoder.METHOD,
    "cascade": cascade.METHOD,
    "memory-bank": memory_bank.METHOD,
    "reverse-distillation": reverse_distillation.METHOD,
    "simplenet": simplenet.METHOD,
    "supersimplenet": supersimplenet.METHOD,
    "ensemble": ensemble.METHOD,  # behind the method on which it builds
    "efficientad": efficientad.METHOD,
    "patchcore": patchcore.METHOD,
    "padim": padim.METHOD,
    "texture": texture.METHOD,
    "template": template.METHOD,
    "threshold": threshold.METHOD,
}


def decides_by_t(recipe: Recipe) -> bool:
    """Return true for a method that learns from good parts and has no decision head."""
    return METHODS[recipe.method].good_only and not recipe.decides
