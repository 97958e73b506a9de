"""False discoveries among genes without any link to the image, and the power to find the others.

`python benchmarks/chance.py`: 20 simulated cohorts of 6 patients. Genes of `compartment` and
`lookup` follow what an image shows. Genes of three families follow nothing that it shows:

* `null`: each varies by itself from spot to spot;
* `module`: all vary together from spot to spot;
* `smooth`: each follows a smooth field of its own, over about five spots.

Each model of a run is tested on panels of the visible genes and one of these families, and on each
of these families alone. The rate of false discoveries is their share among the genes with q < 0.05
(0 without any), averaged over cohorts; its 95 % interval is over cohorts. Power is the share of
visible genes that are found. `own runs` is another rule, for comparison: the share of the shuffled
runs of the gene itself that score as high, adjusted in the same way.

`--quick` shows in a minute that it runs.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import scipy.sparse as sp
from _machine import report
from scipy.spatial.distance import pdist, squareform
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from histoscribe.benchmark.band import shuffled_fold
from histoscribe.benchmark.plan import RunPlan, make_plan
from histoscribe.benchmark.run import run_cells
from histoscribe.benchmark.score import ORACLE, score_fold
from histoscribe.benchmark.tables import least_spread_per_gene, null_per_gene
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.metrics.chance import CHANCE_Q, p_values, q_values
from histoscribe.metrics.moments import moments, pcc_given_depth
from histoscribe.seed import stream
from histoscribe.simulate import read_truth, simulate
from histoscribe.threads import fixed_threads
from histoscribe.train.settings import parse_settings
from histoscribe.types import Cohort, CohortEntry, Counts, Section

VISIBLE = ("compartment", "lookup")
UNLINKED = ("null", "module", "smooth")
MODELS = ("depth", "knn", "ridge", "mlp")
SPARSE = "few visible + all"
"""Four genes of each visible family, and all without a link: what q was made for."""
PANELS = {
    **{f"visible + {name}": (*VISIBLE, name) for name in UNLINKED},
    **{f"{name} alone": (name,) for name in UNLINKED},
    SPARSE: (*VISIBLE, *UNLINKED),
}
RULES = ("own runs", "pooled")
FEW = 4
SHARE = 5e-4  # of all molecules, each gene without a link
CHANGE = 0.6  # standard deviation of its log rate
SMOOTH_UM = 250.0
QUICK_SEED = 1000  # differs from the reported seeds


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every cohort, print the tables and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of cohorts and runs; else a temporary one")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(20)))
    parser.add_argument("--spots", type=int, default=120, help="of a section, one a patient")
    parser.add_argument("--genes", type=int, default=32, help="of each family")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.seeds, asked.spots, asked.genes = [QUICK_SEED, QUICK_SEED + 1], 30, 8
    start = perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        out = asked.out or Path(temporary)
        parts = [_cohort(out / f"seed-{seed}", seed, asked) for seed in asked.seeds]
    found = pd.concat(parts, ignore_index=True)
    print(rate_table(found))
    print()
    print(tail_table(found))
    figures = {
        f"{model}_{panel}".replace(" ", "_"): rate_of(found, model, panel, "pooled")[0]
        for model in MODELS
        for panel in PANELS
    }
    own, pooled = (rate_of(found, "ridge", "visible + null", rule)[3] for rule in RULES)
    figures["power_ratio"] = pooled / own if own else float("inf")
    report("chance", n_cohorts=len(parts), seconds=perf_counter() - start, **figures)


def rate_table(found: pd.DataFrame) -> str:
    """Rate of false discoveries and power of both rules, by model and panel."""
    lines = [
        "| model | panel | false discoveries | 95 % | power | own runs: false | power |",
        "|---|---|---|---|---|---|---|",
    ]
    for model in MODELS:
        for panel in PANELS:
            rate, low, high, power = rate_of(found, model, panel, "pooled")
            other, _, _, other_power = rate_of(found, model, panel, "own runs")
            lines.append(
                f"| {model} | {panel} | {rate:.3f} | {low:.3f} to {high:.3f} | {_text(power)} "
                f"| {other:.3f} | {_text(other_power)} |"
            )
    return "\n".join(lines)


def tail_table(found: pd.DataFrame) -> str:
    """Share of genes without a link whose pooled p is below a level; right is the level itself."""
    levels = (0.05, 0.01, 0.001)
    heads = " | ".join(f"p < {level:g}" for level in levels)
    lines = [f"| model | family | genes | {heads} |", "|---|---|---|---|---|---|"]
    for model in MODELS:
        for family in UNLINKED:
            rows = found[
                (found["model"] == model)
                & (found["family"] == family)
                & (found["panel"] == f"visible + {family}")
                & (found["rule"] == "pooled")
            ]
            shares = " | ".join(f"{(rows['p'] < level).mean():.4f}" for level in levels)
            lines.append(f"| {model} | {family} | {len(rows)} | {shares} |")
    return "\n".join(lines)


def rate_of(
    found: pd.DataFrame, model: str, panel: str, rule: str
) -> tuple[float, float, float, float]:
    """Rate of false discoveries with its interval over cohorts, and the power."""
    rows = found[(found["model"] == model) & (found["panel"] == panel) & (found["rule"] == rule)]
    rates, powers = [], []
    for _, of_cohort in rows.groupby("seed"):
        is_found = (of_cohort["q"] < CHANCE_Q).to_numpy()
        visible = of_cohort["family"].isin(VISIBLE).to_numpy()
        rates.append((is_found & ~visible).sum() / max(is_found.sum(), 1))
        powers.append(is_found[visible].mean() if visible.any() else np.nan)
    rate, n = float(np.mean(rates)), len(rates)
    half = float(student.ppf(0.975, n - 1) * np.std(rates, ddof=1) / np.sqrt(n))
    return rate, max(0.0, rate - half), rate + half, float(np.mean(powers))


def _cohort(folder: Path, seed: int, asked: argparse.Namespace) -> pd.DataFrame:
    """P and q of every gene, by model, panel and rule."""
    manifest = simulate(
        folder / "cohort",
        n_patients=3 if asked.quick else 6,
        families=(*VISIBLE, "null"),
        genes_per_family=asked.genes,
        spots_per_section=asked.spots,
        seed=seed,
    )
    truth = read_truth(manifest.parent, "P1S1")
    family = {
        gene: name
        for gene, name in zip(truth.gene_ids, truth.family, strict=True)
        if name in (*VISIBLE, "null")
    }
    family |= {f"{name}-{i}": name for name in UNLINKED[1:] for i in range(asked.genes)}
    settings = parse_settings(
        {
            "seed": seed,
            "cohort": str(manifest),
            "models": MODELS,
            "target": {"panel": "list", "genes": sorted(family)},
            "train": {"epochs": 1 if asked.quick else 20, "keep": "last"},
            "run": {"device": "cpu"},
        },
        "settings of benchmarks/chance.py",
    )
    cohort = _with_more(read_cohort(str(manifest)), asked.genes, seed)
    with fixed_threads():
        plan = make_plan(
            settings, folder / "run", weights={}, cache=folder / "cache", cohort=cohort
        )
        run_cells(plan)
        rows, null = _scores(plan)
    rows = rows.assign(family=rows["gene"].map(family), seed=seed)
    return pd.concat(_tested(rows, null), ignore_index=True)


def _scores(plan: RunPlan) -> tuple[pd.DataFrame, dict[str, tuple[np.ndarray, float]]]:
    """Score of each model and gene, over patients, and the shuffled scores of each gene."""
    parts, band = [], []
    for fold in plan.folds:
        scored = list(score_fold(plan, fold, plan.targets[fold.name]))
        truths = {item.truth.section: item.truth for item in scored}
        band += shuffled_fold(plan, fold, plan.targets[fold.name], list(truths.values()))
        for item in scored:
            of = item.evaluated
            given_depth = pcc_given_depth(moments(of.predicted, of.measured, of.log_total))
            about = {"model": item.model, "gene": item.truth.genes, "score": given_depth}
            parts.append(pd.DataFrame(about))
    table = pd.concat(parts)
    # each patient has one section
    scores = table[table["model"] != ORACLE].groupby(["model", "gene"], sort=False)["score"].mean()
    genes = sorted({gene for part in band for gene in part.genes})
    return scores.reset_index(), {
        gene: (runs, float(least))
        for gene, runs, least in zip(
            genes, null_per_gene(band), least_spread_per_gene(band, len(plan.folds)), strict=True
        )
    }


def _tested(
    rows: pd.DataFrame, null: Mapping[str, tuple[np.ndarray, float]]
) -> Iterator[pd.DataFrame]:
    """P and q of both rules, for each model and panel."""
    for _, of_model in rows.groupby("model", sort=False):
        for panel, families in PANELS.items():
            table = of_model[of_model["family"].isin(families)]
            if panel == SPARSE:
                first = table.groupby("family").cumcount() < FEW
                table = table[first | table["family"].isin(UNLINKED)]
            score = table["score"].to_numpy()
            of_genes = np.stack([null[gene][0] for gene in table["gene"]])
            least = np.array([null[gene][1] for gene in table["gene"]])
            about = table[["seed", "model", "gene", "family"]].assign(panel=panel)
            pooled = {"p": p_values(score, of_genes, least), "q": q_values(score, of_genes, least)}
            yield about.assign(rule="pooled", **pooled)
            as_high = (of_genes >= score[:, None]).sum(axis=1)
            p = (1 + as_high) / (1 + of_genes.shape[1])
            yield about.assign(rule="own runs", p=p, q=false_discovery_control(p))


def _with_more(cohort: Cohort, n_genes: int, seed: int) -> Cohort:
    """The same sections with genes of `module` and `smooth` besides."""
    sections = [_section(section, n_genes, seed) for section in cohort]
    return Cohort(
        [
            CohortEntry(section.id, section.patient, lambda section=section: section)
            for section in sections
        ]
    )


def _section(section: Section, n_genes: int, seed: int) -> Section:
    counts = section.measured
    rng = stream(seed, f"unlinked-{section.id}")
    n_spots = len(section.spots)
    shared = np.repeat(rng.standard_normal((n_spots, 1)), n_genes, axis=1)
    far_um = squareform(pdist(section.spots.xy)) * section.slide.mpp
    covariance = np.exp(-np.square(far_um / SMOOTH_UM) / 2) + 1e-6 * np.eye(n_spots)
    smooth = np.linalg.cholesky(covariance) @ rng.standard_normal((n_spots, n_genes))
    field = np.hstack([shared, smooth])
    mean = counts.total[:, None] * SHARE * np.exp(CHANGE * field)
    names = [f"{name}-{i}" for name in UNLINKED[1:] for i in range(n_genes)]
    matrix = sp.hstack([counts.matrix, sp.csr_matrix(rng.poisson(mean))]).tocsr()
    more = Counts(
        matrix.astype(counts.matrix.dtype),
        (*counts.gene_ids, *names),
        (*counts.gene_names, *names),
    )
    return replace(section, counts=more)


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


if __name__ == "__main__":
    main()
