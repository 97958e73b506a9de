"""Settings of exemplars."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class ExemplarSettings(BaseModel):
    """Choice of the exemplars that a model reads for each spot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: Annotated[int, Field(ge=1)] = 9
    """Number of exemplars per spot."""
    distance: Literal["l2", "l1", "cosine", "lpips"] = "l2"
    """Distance between features; `lpips` sorts the 32 nearest by L2 again, by the distance of Zhang
    et al. between tiles.
    """
    perceptual: str | None = None
    """Net of `lpips`; by default the first whose weights are available. It is LPIPS on AlexNet,
    VGG-16 and SqueezeNet 1.1, else the same distance with uniform weights.
    """
    draw: Literal["nearest", "random"] = "nearest"
    """`random` draws among all permitted spots, as a control."""
    training_exclusion: Literal["patient", "section"] = "patient"
    """Exemplars of a training spot come from other patients; with one training patient, only from
    other sections: then set `section`, and the card notes a "retrieval shift".
    """
