"""Models that are trained by gradient descent; one paper a file."""
