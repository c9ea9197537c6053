"""Signed commands to a station: their format, the decision about each, and their execution.

docs/decisions/0068-signed-commands.md has the reasons.
"""
