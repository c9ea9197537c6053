"""Commissioning: the guided check of a station on its line, which ends with GO or NO-GO."""
