"""Image folders as they are published or kept by a user, read as samples with kind maps."""
