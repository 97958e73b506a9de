"""Models that are trained by gradient descent; one paper per file."""
