"""A bundle proves itself in a process of its own before another process loads it."""

from edge.proof.apart import ProofLimits, prove_apart
from edge.proof.known import prove_new, remember_proof

__all__ = ["ProofLimits", "prove_apart", "prove_new", "remember_proof"]
