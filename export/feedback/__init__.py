"""`make learn`: from a run, its bundle and released marked parts to a new run and a new bundle
(docs/decisions/0032-retraining-from-feedback.md)."""
