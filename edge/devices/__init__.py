"""Cameras, triggers and outputs: protocols, and one file per device."""
