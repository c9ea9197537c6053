"""The method `efficientad`: a student and an autoencoder that imitate a small teacher."""
