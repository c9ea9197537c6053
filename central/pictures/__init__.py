"""Pictures of parts: the receiver of uploads, and the folder in which it keeps them."""
