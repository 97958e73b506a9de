"""Prints the table of docs/concepts/pathways.md: members of the Hallmark sets in panels of her2st.

python docs/figures/coverage_table.py
"""

from statistics import median

import numpy as np

from histoscribe.data.genesets import PathwaySettings, open_gene_sets, panel_pathways
from histoscribe.data.target import TargetSettings, fit_target
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.predictor.facts import gene_names

PANELS = (250, 1000)


def main() -> None:
    """Choose each panel on all sections, and count the members in it."""
    cohort = read_cohort("catalog:her2st")
    parts = [(section, np.arange(len(section.spots))) for section in cohort]
    sets = open_gene_sets(PathwaySettings(sets="catalog:hallmark"))
    print("| panel | sets with ten members or more | members in the panel, median of these sets |")
    print("|---|---|---|")
    for n_genes in PANELS:
        for way, first in (("highest mean", ()), ("`first = true`", sets.genes)):
            target = fit_target(parts, TargetSettings(n_genes=n_genes), first=first)
            names = gene_names(cohort, cohort.ids, target.genes)
            coverage = panel_pathways(sets, target.genes, names).card.coverage
            share = median(inside / members for inside, members in coverage.values())
            print(f"| {n_genes} genes, {way} | {len(coverage)} | {100 * share:.0f} % |")


if __name__ == "__main__":
    main()
