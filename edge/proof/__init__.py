"""A bundle proves itself in a process of its own before another process loads it."""

from edge.proof.isolated import ProofLimits, prove_in_child
from edge.proof.proven import prove_new, remember_proof

__all__ = ["ProofLimits", "prove_in_child", "prove_new", "remember_proof"]
