"""Benchmarks, comparisons and fault tests of Outfeed. No part of an installed station."""

import edge  # noqa: F401 - first, so that ONNX Runtime is loaded with its telemetry off
