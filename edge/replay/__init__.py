"""Any kept part again: its stored frame, through the bundle and on the engine that judged it, to
the same verdict (docs/decisions/0023-replay.md)."""

from edge.replay.chains import Chains
from edge.replay.compare import Outcome, Tolerance, compare
from edge.replay.part import Replayed, replay_part

__all__ = ["Chains", "Outcome", "Replayed", "Tolerance", "compare", "replay_part"]
