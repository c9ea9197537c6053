"""The method `simplenet`: noise in the features of good parts teaches what a defect is."""
