"""Benchmarks of a bundle on this machine: time per step, cold start, and the fastest engine."""
