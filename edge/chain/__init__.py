"""The chain: a Frame goes in, a Verdict comes out. Pure: no I/O, no threads."""
