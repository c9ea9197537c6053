"""Comparison of Outfeed with other ways to deploy a network: `make bench`."""
