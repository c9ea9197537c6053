"""The methods of the sources, one package each. ``registry`` holds them all by name."""
