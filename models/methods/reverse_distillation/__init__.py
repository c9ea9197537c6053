"""The method `reverse-distillation`: a student that predicts the features of good parts."""
