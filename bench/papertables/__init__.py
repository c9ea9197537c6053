"""The tables and figures of He & Liu 2020, section IV, made from one's own runs."""
