"""Choice of genes for outputs with limited room."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from histoscribe.predictor.limits import BeyondTraining
from histoscribe.predictor.predictor import Predictor
from histoscribe.ties import best_first
from histoscribe.types import GeneLookup

_MANY = 20
"""Number of measurements that QuPath lists on one screen."""
_SCORES = ("pcc_given_depth", "pcc")
"""Score columns to choose by, the stricter one first."""


@dataclass(frozen=True)
class GeneChoice:
    """Chosen genes of a predictor, in written order, with the reason."""

    genes: tuple[str, ...]
    labels: tuple[str, ...]
    """Names in the file: symbols where known."""
    why: str
    requested: bool = False
    """Whether the user named them."""


def choose_genes(predictor: Predictor, requested: Sequence[str]) -> GeneChoice:
    """Genes requested by id or symbol; else all, or the 20 with the best scores.

    Raises
    ------
    DataContractError
        listing every gene that the predictor lacks, with similar names, and every symbol of several
        genes.
    """
    genes = predictor.target.genes
    if requested:
        lookup = GeneLookup(zip(genes, predictor.gene_names, strict=True), predictor.name)
        places = [genes.index(gene) for gene in lookup.ids(requested)]
        return replace(_choice(predictor, places, "requested"), requested=True)
    if len(genes) <= _MANY:
        return _choice(predictor, range(len(genes)), "all")
    return best_genes(predictor, _MANY)


def trusted_choice(choice: GeneChoice, beyond: BeyondTraining) -> GeneChoice:
    """Genes to write for a slide: none where no gene can be trusted, unless the user named them."""
    if beyond.offers_genes:
        return choice
    why = "less than half of the positions are like the training tissue"
    if choice.requested:
        return replace(choice, why=f"{choice.why}, not trusted: {why}")
    return GeneChoice((), (), f"none can be trusted: {why}")


def one_gene(predictor: Predictor, requested: str | None) -> GeneChoice:
    """Requested gene; else the best one on held-out patients, if known.

    Raises DataContractError as `choose_genes` does.
    """
    return best_genes(predictor, 1) if requested is None else choose_genes(predictor, [requested])


def best_genes(predictor: Predictor, n_genes: int) -> GeneChoice:
    """Genes with the best scores on held-out patients; without scores the first of the panel."""
    for score in _SCORES:
        known = predictor.gene_score_values.get(score)
        if known is not None and np.isfinite(known).any():
            best = best_first(known)[:n_genes]
            chosen = [int(gene) for gene in best if np.isfinite(known[gene])]
            return _choice(predictor, chosen, f"best {score} on held-out patients")
    why = "first of the panel; the scores of genes are unknown"
    return _choice(predictor, range(min(n_genes, len(predictor.target.genes))), why)


def _choice(predictor: Predictor, places: Iterable[int], why: str) -> GeneChoice:
    chosen = tuple(places)
    genes, labels = (
        tuple(names[gene] for gene in chosen)
        for names in (predictor.target.genes, predictor.gene_labels)
    )
    return GeneChoice(genes, labels, why)
