"""The export toolkit: torch → ONNX → int8, parity, and the bundle that a station accepts."""
