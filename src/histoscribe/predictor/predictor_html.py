"""A predictor in a notebook: its training, and its genes with the best scores on other patients."""

import numpy as np

from histoscribe.display import notes_html, result_html, table_html
from histoscribe.predictor.predictor import Predictor

_SCORES = ("pcc", "pcc_given_depth", "q")


def predictor_html(predictor: Predictor) -> str:
    """Describe a predictor in HTML."""
    encoding, scores = predictor.encoding, predictor.gene_scores
    facts = [("", predictor.size), ("unit", predictor.target.unit), ("encoder", encoding.encoder)]
    sections = f"Trained on {', '.join(sorted(predictor.card.sections))}."
    name = f"Predictor {predictor.name}"
    if not scores.columns:
        why = f"No scores of genes: {scores.why_unknown}."
        return result_html(name, facts, notes_html([why, sections]))
    columns = {score: scores.columns[score] for score in _SCORES}
    least = np.nan_to_num(columns["pcc_given_depth"], nan=-np.inf)
    rows = [
        (predictor.gene_labels[gene], *(float(values[gene]) for values in columns.values()))
        for gene in np.argsort(-least, kind="stable")
    ]
    table = table_html(("gene on held-out patients", *columns), rows)
    return result_html(name, facts, table, notes_html([sections]))
