"""Two encoder-decoders that segment, one behind the other, and the block classifier."""
