"""Benchmarks of a bundle on this machine: time per stage, cold start, and the fastest engine."""
