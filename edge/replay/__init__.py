"""Replay: the chain inspects a stored frame again and must give the same verdict.

It uses the bundle and the engine of the first inspection (docs/decisions/0023-replay.md).
"""

from edge.replay.chains import ReplayChains
from edge.replay.compare import ReplayOutcome, Tolerance, compare
from edge.replay.part import ReplayedPart, replay_part

__all__ = ["ReplayChains", "ReplayOutcome", "ReplayedPart", "Tolerance", "compare", "replay_part"]
