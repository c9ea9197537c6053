"""The monitor of a station: drift of its pictures, and self-tests of its chain."""
