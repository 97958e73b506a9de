"""One score of a model in one section, cut into three parts that add up to it.

The score is the Pearson correlation over all values of a section, spots times genes. Its covariance
is a sum: between the means of the genes, along depth within each gene, and the rest within each
gene. Each part is its covariance over the same two deviations, so a part can be negative.
"""

from dataclasses import dataclass

import numpy as np

from histoscribe.metrics.evaluated import Evaluated


@dataclass(frozen=True)
class ScoreParts:
    """Correlation over all spots and genes of a section, as a sum of three parts."""

    gene_means: float
    """From genes that are high or low everywhere: what a table of means already knows."""
    depth: float
    """Within genes, along the line of each gene on the measured log total count."""
    rest: float
    """Within genes, beyond depth: what a map of a gene adds."""

    @property
    def correlation(self) -> float:
        """Sum of the parts: the correlation itself."""
        return self.gene_means + self.depth + self.rest


def score_parts(evaluated: Evaluated) -> ScoreParts:
    """Parts of the score of one model in one section, over the genes that it measured.

    NaN where all measured values are equal; 0 where all predicted values are. A gene that is
    predicted constant has nothing within it, to the last bit.
    """
    m = evaluated.moments
    genes = np.isfinite(m.yy)
    x_mean, y_mean = (
        values[:, genes].mean(axis=0, dtype=np.float64)
        for values in (evaluated.predicted, evaluated.measured)
    )
    x_mean, y_mean = (mean - mean.mean() if mean.size else mean for mean in (x_mean, y_mean))
    varies = ~(m.x_constant | m.y_constant)[genes]
    per_depth = 1 / m.dd if m.dd > 0 else 0.0
    along = (m.xd * m.yd)[genes][varies].sum() * per_depth
    within = m.xy[genes][varies].sum()
    xx = m.n_spots * (x_mean @ x_mean) + m.xx[genes & ~m.x_constant].sum()
    yy = m.n_spots * (y_mean @ y_mean) + m.yy[genes & ~m.y_constant].sum()
    if not yy > 0:
        return ScoreParts(np.nan, np.nan, np.nan)
    if not xx > 0:
        return ScoreParts(0.0, 0.0, 0.0)
    parts = (m.n_spots * (x_mean @ y_mean), along, within - along)
    return ScoreParts(*(float(part / np.sqrt(xx) / np.sqrt(yy)) for part in parts))
