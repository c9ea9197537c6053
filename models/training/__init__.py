"""Training: from a folder of pictures and a recipe to a run."""
