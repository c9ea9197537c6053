"""Quantisation to int8: calibration, search, bias correction and accumulator headroom."""
