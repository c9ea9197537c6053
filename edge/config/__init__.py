"""The configuration of a station: each section of station.toml as a frozen pydantic model."""
