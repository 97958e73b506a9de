"""Ridge regression from features to genes."""

from typing import final

from histoscribe.models.base import register
from histoscribe.models.closed_form.linear import LinearEstimator
from histoscribe.types import SpotTable


@final
@register("ridge")
class RidgeModel(LinearEstimator):
    """Ridge on standardised features, alpha from 1e-1 to 1e6 by the inner folds."""

    paper = "doi:10.1080/00401706.1970.10488634"

    def fit(self, table: SpotTable) -> "RidgeModel":
        """Choose alpha, then fit on all training spots."""
        self.fit_ridge(table)
        return self
