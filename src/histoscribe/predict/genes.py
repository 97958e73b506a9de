"""Which genes go where not all can go."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from histoscribe.errors import DataContractError, Problem
from histoscribe.train.predictor import Predictor

_MANY = 20
"""Measurements of a detection that QuPath still lists on one screen."""
_SCORES = ("pcc_given_depth", "pcc")
"""Trust columns to choose by, the more careful one first."""


@dataclass(frozen=True)
class GeneChoice:
    """Genes of a predictor, in the order they are written, and why these."""

    genes: tuple[str, ...]
    why: str


def choose_genes(predictor: Predictor, asked: Sequence[str]) -> GeneChoice:
    """Take the genes asked for; else all, or the 20 that do best on held-out patients.

    Raises
    ------
    DataContractError
        listing every gene that the predictor lacks, with near names.
    """
    genes = predictor.target.genes
    if asked:
        problems = [_unknown(gene, predictor) for gene in asked if gene not in set(genes)]
        if problems:
            raise DataContractError(problems)
        return GeneChoice(tuple(dict.fromkeys(asked)), "asked for")
    if len(genes) <= _MANY:
        return GeneChoice(genes, "all")
    for score in _SCORES:
        known = predictor.gene_trust.get(score)
        if known is not None and np.isfinite(known).any():
            best = np.argsort(-np.nan_to_num(known, nan=-np.inf), kind="stable")[:_MANY]
            chosen = tuple(genes[gene] for gene in best if np.isfinite(known[gene]))
            return GeneChoice(chosen, f"best {score} on held-out patients")
    return GeneChoice(genes[:_MANY], "first of the panel; how good each is, is not known")


def _unknown(gene: str, predictor: Predictor) -> Problem:
    genes = predictor.target.genes
    upper = {name.upper(): name for name in genes}
    near = get_close_matches(gene.upper(), list(upper), n=3, cutoff=0.6)
    names = " or ".join(upper[name] for name in near)
    return Problem(
        where=f"--gene {gene}",
        found=f"{predictor.name} does not predict it",
        expected=f"one of its {len(genes)} genes, e.g. {', '.join(genes[:5])}",
        remedy=f"did you mean {names}?" if names else "choose one of its panel",
    )
