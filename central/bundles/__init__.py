"""Bundles that stations download: the folder that keeps them, and the HTTPS server."""
