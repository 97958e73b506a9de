"""The list of genes that a model can predict, as a panel file that names its patients."""

from histoscribe.data.panel_files import PanelFile, panel_text
from histoscribe.explain.genes.tables import GeneTableColumns
from histoscribe.predictor.gene_scores import ScoreOrigin
from histoscribe.predictor.predictor import Predictor

MASK = "predictable-genes.txt"
RULE = "pcc_given_depth above the band of shuffled training data (its 97.5th percentile)"


def why_no_mask(predictor: Predictor, origin: ScoreOrigin) -> str | None:
    """Reason against a list for this predictor; None without one.

    A list must rest on training patients alone: the scores of other patients are the test.
    """
    if untrained := sorted(set(origin.patients) - predictor.card.patients):
        return (
            f"{MASK} is not written: the scores are of {', '.join(untrained)} too, and this "
            "predictor was not trained on them. Train it on all patients with `--benchmark RUN`."
        )
    if not predictor.gene_scores.above_band().any():
        return f"{MASK} is not written: no gene is above its shuffled band."
    return None


def mask_text(predictor: Predictor, origin: ScoreOrigin, genes: GeneTableColumns) -> str:
    """Text of the list: rule, model, protocol and patients at the top, then one gene a line."""
    above, count = genes.scores.above_band(), genes.scores.count()
    names = [
        (gene, label) for gene, label, a in zip(genes.ids, genes.labels, above, strict=True) if a
    ]
    notes = (
        f"Genes that {predictor.name} can predict: {RULE}.",
        f"{len(names)} of {count.n_genes} scored genes; by chance up to {count.n_by_chance:.0f}.",
        f"Benchmark with protocol {origin.protocol}: the model that predicted a patient was",
        "trained without this patient.",
        "The genes were chosen by these scores: scores of these genes on the same patients are too",
        "high. A run that takes this file as target.genes and tests one of the patients stops.",
    )
    panel = PanelFile(tuple(gene for gene, _ in names), origin.patients)
    return panel_text(panel, [label for _, label in names], notes)
