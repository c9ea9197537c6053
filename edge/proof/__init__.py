"""The proof of a bundle in a child process, before another process loads it."""

from edge.proof.isolated import prove_in_child
from edge.proof.limits import ProofLimits
from edge.proof.proven import prove_new, remember_proof

__all__ = ["ProofLimits", "prove_in_child", "prove_new", "remember_proof"]
