"""Outfeed against what a user would pick instead, side by side in one run."""

import edge  # noqa: F401 - before any module loads ONNX Runtime, which then reports to nobody
