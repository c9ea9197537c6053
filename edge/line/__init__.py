"""Parts between the photo-eye and the ejector."""
