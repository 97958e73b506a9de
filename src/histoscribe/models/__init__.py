"""Models and encoders behind one registry; importing the room registers them, simplest first."""

from histoscribe.models import (  # noqa: F401, I001 - in the order that `models` lists them
    mean,
    colour,
    depth,
    knn,
    ridge,
    ridge_hest,
    mlp,
    linear_probe,
    egn,
    egn_released,
    stnet,
    nsl,
    vit,
    cyclemlp,
    mpvit,
    vitexp,
    retro,
)
