"""``outfeed demo``: the whole appliance on one machine, and an account of what it did."""
