"""Spots of a batch of sections as one list, so that no layer computes padding."""

from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class SectionRows:
    """Which entries of a padded batch are spots; M spots in all, section by section."""

    present: Bool[Tensor, "B K"]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of spots of each section."""
        return tuple(self.present.sum(dim=1).tolist())

    def rows(self, padded: Float[Tensor, "B K width"]) -> Float[Tensor, "M width"]:
        """The spots, without padding."""
        return padded[self.present]

    def padded(self, rows: Float[Tensor, "M width"]) -> Float[Tensor, "B K width"]:
        """The spots at their places; zeros in the padding."""
        if self.present.numel() == len(rows):  # no second copy of a large section
            return rows.view(*self.present.shape, -1)
        filled = rows.new_zeros(*self.present.shape, rows.shape[1])
        filled[self.present] = rows
        return filled

    def sections(self, rows: Float[Tensor, "M width"]) -> tuple[Float[Tensor, "_ width"], ...]:
        """The spots of each section."""
        return rows.split(self.sizes)
