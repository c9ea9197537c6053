"""Alarms: rules on figures, their states, and messages to people and programs."""
