"""Bundles over the network: the signed desired state of a station, and its trial.

docs/decisions/0073-bundle-updates.md has the reasons.
"""
