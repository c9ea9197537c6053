"""Inference engines: ONNX Runtime, LiteRT and OpenVINO behind the protocol Engine."""
