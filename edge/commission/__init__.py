"""Puts a station into service: measures step by step, and says GO or NO-GO."""
