"""The method of He & Liu 2020: severity by regression, then a block classifier."""
