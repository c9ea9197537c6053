"""`make learn`: make a new run and a new bundle from a run, its bundle and released marked parts.

See docs/decisions/0032-retraining-from-feedback.md.
"""
