"""Your own Visium data.

From Space Ranger folders to scores, maps and a trained model. The sections here are those of the
demo, which look like Space Ranger's; put your own paths in their place.
"""

# %% [markdown]
# ## 1. List the sections
#
# One line for each section: its patient, its Space Ranger folder, and the image that Space Ranger
# read. `mpp` is the size of a pixel in um; leave it out where the image states it. Two sections
# of one person must have the same `patient`, because folds are made of patients.

# %%
from pathlib import Path

import pandas as pd

folder = Path("demo").resolve()
sections = pd.DataFrame(
    {
        "section": [f"P{number}S1" for number in range(1, 7)],
        "patient": [f"P{number}" for number in range(1, 7)],
        "kind": "spaceranger",
        "path": [folder / f"P{number}S1" for number in range(1, 7)],
        "image": [folder / f"P{number}S1.jpg" for number in range(1, 7)],
        "mpp": 0.5,
    }
)
sections.to_csv("cohort.csv", index=False)

# %% [markdown]
# `histoscribe init FOLDER` writes this table for you, except the patients.
#
# ## 2. Look at the data
#
# Opening a cohort checks it. All problems are listed at once, each with what to do.

# %%
import histoscribe as hs

cohort = hs.read_cohort("cohort.csv")
cohort

# %%
cohort["P1S1"]

# %% [markdown]
# Folds hold out whole patients. With fewer than five patients there are scores, but no intervals,
# and models cannot be ranked.

# %%
hs.patient_folds(cohort, k="leave-one-out")

# %% [markdown]
# ## 3. Benchmark
#
# Start with models that take seconds. `depth` shows what cell density alone explains; a model
# that is not better has learned nothing else.

# %%
result = hs.benchmark(cohort, ["mean", "depth", "ridge"], target={"n_genes": 100}, out="run")
result

# %%
for check in result.checks:
    print(f"{check.level}: {check.message}\n  {check.remedy}")
print(len(result.checks), "remarks")

# %% [markdown]
# Genes above their own band, the best first. `q` is the expected share of false positives among
# the genes at least as far above chance.

# %%
ridge = result.genes[result.genes["model"] == "ridge"].set_index("gene")
trusted = ridge[(ridge["pcc_given_depth"] > ridge["null_high"]) & (ridge["q"] < 0.05)]
print(len(trusted), "of", len(ridge), "genes")
trusted.sort_values("pcc_given_depth", ascending=False).round(3).head()

# %%
gene = trusted["pcc_given_depth"].idxmax()
result.plot(gene)

# %% [markdown]
# ## 4. Keep a model
#
# `train` fits one model on all sections. With `scores` it also stores how well each gene did on
# held-out patients, so that every later prediction carries this.

# %%
predictor = hs.train(cohort, "ridge", target={"n_genes": 100}, scores=result, out="ridge")
predictor

# %% [markdown]
# The folder `ridge` is all that a prediction needs; `ridge/MODEL_CARD.md` says in words what it
# can do.
#
# The report of the run is one file to send to others:
#
# ```bash
# histoscribe report run
# ```
#
# Next: [a slide that was never sequenced](slide_never_sequenced.md). Details of each step:
# [Benchmark your own Visium sections](../howto/own-visium-data.md).
