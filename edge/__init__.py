"""What runs on a station: capture, inspect, reject, journal, publish. No torch, no pandas."""

import os

__version__ = "0.1.0"

# From 1.29 on ONNX Runtime reports its sessions to Microsoft and keeps an identifier and a database
# in the user's home, unless this stands in the environment before it is loaded (its Privacy.md). A
# station talks to its broker and to nobody else.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
