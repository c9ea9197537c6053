"""The process that brings a bundle from a signed desired state to acceptance.

docs/decisions/0073-bundle-updates.md has the reasons.
"""
