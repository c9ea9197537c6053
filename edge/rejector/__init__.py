"""The process that owns the reject output."""
