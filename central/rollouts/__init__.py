"""Rollouts of bundles: cohorts, their progress, and the changes that people make."""
