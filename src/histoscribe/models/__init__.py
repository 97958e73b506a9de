"""Models and encoders behind one registry; importing the room registers them, simplest first."""

from histoscribe.models import mean, colour, depth, knn, ridge, ridge_hest, mlp  # noqa: F401, I001
