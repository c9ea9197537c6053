"""central.toml: one file for the sections, and one for the whole configuration."""
