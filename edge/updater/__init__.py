"""Download of the bundle that the station wants, over HTTPS, in a process of its own."""
