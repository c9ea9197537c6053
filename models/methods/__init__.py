"""Every method of the sources, by the name that a recipe and a bundle call it."""

from __future__ import annotations

from edge.bundle.manifest import DetectorKind
from models.methods import (
    autoencoder,
    cascade,
    memory,
    regression,
    template,
    texture,
    threshold,
)
from models.methods.base import FileDetector, Method, Task, Trained

__all__ = ["METHODS", "FileDetector", "Method", "Task", "Trained"]

METHODS: dict[DetectorKind, Method] = {
    "regression": regression.METHOD,
    "autoencoder": autoencoder.METHOD,
    "cascade": cascade.METHOD,
    "memory": memory.METHOD,
    "texture": texture.METHOD,
    "template": template.METHOD,
    "threshold": threshold.METHOD,
}
