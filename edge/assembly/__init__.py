"""The composition root: builds the parts of a station from its configuration."""
