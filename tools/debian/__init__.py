"""Debian packages, built from the source tree and a folder of libraries."""
