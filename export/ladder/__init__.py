"""The time of untrained networks on this machine, for a training with a time budget.

``python -m export.ladder FOLDER`` reads a request from standard input and writes the times to
standard output, both as JSON. ``models.ladder.measure`` starts it.
"""
