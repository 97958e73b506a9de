"""Models behind one registry; importing the room registers them, simplest first."""

# in the order that `models` lists them
from histoscribe.models.closed_form import mean  # noqa: F401, I001
from histoscribe.models.closed_form import colour, depth, knn, ridge, ridge_hest  # noqa: F401
from histoscribe.models.networks import mlp, linear_probe, egn, egn_released  # noqa: F401
from histoscribe.models.networks import stnet, nsl, vit, cyclemlp, mpvit  # noqa: F401
from histoscribe.models.networks import vitexp, retro  # noqa: F401
