"""The tables and figures of He & Liu 2020, section IV, for your own runs."""
