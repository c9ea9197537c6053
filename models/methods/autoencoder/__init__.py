"""A convolutional autoencoder trained on good parts; its reconstruction error is severity."""
