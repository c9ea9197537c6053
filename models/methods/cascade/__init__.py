"""Two cascaded autoencoders that segment, followed by the block classifier."""
