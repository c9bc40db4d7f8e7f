"""Records, evaluation sets, ground truth, images."""
