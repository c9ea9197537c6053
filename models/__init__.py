"""Networks, data, training and evaluation: the workstation side of Outfeed."""
