"""Conversion of networks from torch to TFLite, in the separate environment of the tool chain."""

from export.tflite.toolchain import FILES, TfliteFile, TfliteJob, convert, tflite_python

__all__ = ["FILES", "TfliteFile", "TfliteJob", "convert", "tflite_python"]
