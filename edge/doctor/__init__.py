"""Diagnosis of a unit: checks that only read, and findings with an advice."""
