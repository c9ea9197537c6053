"""``outfeed-central demo``: the central system on one machine, with simulated stations."""
