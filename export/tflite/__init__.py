"""torch → TFLite, in the tool chain's own environment."""

from export.tflite.toolchain import TfliteFile, TfliteJob, convert, tflite_python

__all__ = ["TfliteFile", "TfliteJob", "convert", "tflite_python"]
