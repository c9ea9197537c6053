"""The import of an identity at the first boot of a unit, and what it shows without one."""
