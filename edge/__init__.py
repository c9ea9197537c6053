"""What runs on a station: capture, inspect, reject, journal, publish. No torch, no pandas."""

__version__ = "0.1.0"
