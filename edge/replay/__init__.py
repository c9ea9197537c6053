"""Any kept part again: its stored frame, through the bundle and on the engine that judged it, to
the same verdict (docs/decisions/0023-replay.md)."""

from edge.replay.chains import ReplayChains
from edge.replay.compare import ReplayOutcome, Tolerance, compare
from edge.replay.part import ReplayedPart, replay_part

__all__ = ["ReplayChains", "ReplayOutcome", "ReplayedPart", "Tolerance", "compare", "replay_part"]
