"""Groups of sub-commands of ``outfeed-central``, one file for each."""
