"""Settings of exemplars."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class ExemplarSettings(BaseModel):
    """Which training spots a model that looks at exemplars is shown beside a spot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: Annotated[int, Field(ge=1)] = 9
    """Exemplars of each spot, the nearest in the space of the encoder's features."""
    distance: Literal["l2", "l1", "cosine", "lpips"] = "l2"
    """Between features; `lpips` sorts the 32 nearest by L2 anew, by the distance of Zhang et al.
    between tiles."""
    perceptual: str | None = None
    """Net that `lpips` reads tiles with; by default the first whose weights are here: it is LPIPS
    on AlexNet, VGG-16 and SqueezeNet 1.1, else the same distance with uniform weights."""
    draw: Literal["nearest", "random"] = "nearest"
    """`random` draws among all spots that may be taken: a control."""
    training_exclusion: Literal["patient", "section"] = "patient"
    """Exemplars of a training spot come from other patients; with one training patient, only from
    other sections: then name `section`, and the card says "retrieval shift"."""
