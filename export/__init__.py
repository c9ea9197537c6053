"""The export toolkit: torch → ONNX → int8, parity, and the bundle that a station accepts."""

import edge  # noqa: F401 - before any module loads ONNX Runtime, which then reports to nobody
