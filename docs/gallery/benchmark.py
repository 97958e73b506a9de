"""Benchmark a cohort, and read the result.

Which model predicts genes of patients that it never saw, and is it better than cell density alone?
"""

# %% [markdown]
# A cohort is a table of sections with their patients. This one is the demo's: six simulated
# patients, one section each. `hs.read_cohort` opens it, and shows what it holds.

# %%
import histoscribe as hs

cohort = hs.read_cohort("demo/cohort.csv")
cohort

# %% [markdown]
# Each model is trained on five patients and tested on the sixth, six times. `mean` predicts each
# gene's mean, `depth` only the total count of a spot, `knn` and `ridge` every gene from the
# image.

# %%
result = hs.benchmark(cohort, ["mean", "depth", "knn", "ridge"], target={"n_genes": 100}, out="run")
result

# %% [markdown]
# `pcc` is the correlation of measured and predicted values over the spots of a section.
# `pcc_given_depth` is what remains once the total count of each spot is accounted for: this is
# the number to compare. The row `shuffled` is what chance reaches, and a difference inside its
# band is not an improvement.
#
# `result.figure` draws the same table: a dot is a patient, the bar is the interval over patients.

# %%
result.figure("models")

# %% [markdown]
# `result.genes` has a row for each model and gene. `null_low` and `null_high` are the gene's own
# band, and `q` is the share of false positives among the genes at least this far above it.

# %%
ridge = result.genes[result.genes["model"] == "ridge"].set_index("gene")
ridge.sort_values("pcc_given_depth", ascending=False).round(3).head(8)

# %% [markdown]
# The cohort is simulated, so the truth is known. Each gene belongs to a family, which decides
# what it follows. `compartment`, `density`, `arrangement` and `pathway` can be seen in a tile,
# and are found. `position` cannot, and `balance` follows nothing. The sign of `patient_flip`
# changes from patient to patient, so its mean over patients must be near zero: a model that
# scores on it leaks.

# %%
import pandas as pd

truth = pd.read_csv("demo/truth/genes.csv").set_index("gene_id")
family = ridge["pcc_given_depth"].groupby(truth["family"].reindex(ridge.index))
family.agg(["count", "mean", "min", "max"]).round(2)

# %% [markdown]
# The run folder holds everything: tables, maps, the card with all settings, and after
# `histoscribe report run` a page to send to others. The command line does the same:
#
# ```bash
# histoscribe benchmark run.toml --out run
# ```
#
# How to do this with [your own sections](../howto/own-visium-data.md), and [what the numbers
# mean](../concepts/targets-and-depth.md).
