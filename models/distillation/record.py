"""The record of a teacher in run.json."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class TeacherRecord(BaseModel):
    """The teacher that a run learned from.

    kind: "run" for the severity map of a finished run, "state" for features of a state file. name:
    folder or file. architecture: of its network. sha256: of its weights. metrics: of the whole
    float chain of a run on its own held-back pictures; empty for a state.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["run", "state"]
    name: str
    architecture: str
    sha256: str
    metrics: dict[str, float] = {}
