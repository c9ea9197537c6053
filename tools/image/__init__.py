"""System images of a unit, and the bundles that update them (``make image``)."""
