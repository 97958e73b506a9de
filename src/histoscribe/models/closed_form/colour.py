"""Mean colour: the score that is possible without any morphology."""

from typing import final

from histoscribe.models.base import register
from histoscribe.models.closed_form.linear import LinearEstimator
from histoscribe.types import SpotTable


@final
@register("colour")
class ColourModel(LinearEstimator):
    """Ridge on the mean colour of the tissue in a tile."""

    paper = "baseline; why it is needed: arXiv:2108.10446 (NSL)"
    encoder = "mean_colour"

    def fit(self, table: SpotTable) -> "ColourModel":
        """Choose alpha, then fit on all training spots."""
        self.fit_ridge(table)
        return self
