"""PatchCore, a reference method: the distance from a bank of features of good parts."""
