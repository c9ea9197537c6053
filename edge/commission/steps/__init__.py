"""The steps of commissioning, one file each."""
