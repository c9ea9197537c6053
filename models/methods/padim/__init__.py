"""PaDiM, a reference method: a Gaussian of the features of good parts at each place."""
