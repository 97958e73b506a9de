"""Score pathways.

A pathway is a set of genes. Its score rests on many genes, so it is less noisy than one of them.
"""

# %% [markdown]
# A cohort whose genes follow six programmes of the tissue, or nothing. The simulator also writes
# a file with gene sets: one for each programme, and `SIM_DECOY`, whose genes follow nothing.

# %%
import histoscribe as hs

cohort = hs.simulate(
    "cohort",
    n_patients=4,
    families=["pathway", "null"],
    genes_per_family=96,
    spots_per_section=80,
)

# %% [markdown]
# `pathways` names the sets, and `first` puts their genes into the panel before others. Every
# model gets scores: the activity of its predicted genes.

# %%
result = hs.benchmark(
    cohort,
    ["depth", "ridge"],
    target={"n_genes": 190},
    pathways={"sets": "cohort/pathways.gmt", "first": True},
    out="run",
)

# %% [markdown]
# `pathways.csv` has one row for each model and set, over patients (`*`) and for each section. By
# chance, a score lies between `null_low` and `null_high`.

# %%
import pandas as pd

scores = pd.read_csv("run/pathways.csv").query("section == '*' and model == 'ridge'")
scores = scores.set_index("pathway").sort_values("pcc")
scores[["pcc", "pcc_given_depth", "null_low", "null_high", "q"]].round(3)

# %%
from matplotlib import pyplot as plt

figure, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
low, high = scores["null_low"], scores["null_high"]
ax.barh(scores.index, high - low, left=low, color="0.85")
ax.plot(scores["pcc"], scores.index, "o", color="#0b6e99")
ax.set(xlabel="correlation with measured activity; grey: by chance")
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# The decoy lies in its band, the programmes of the tissue do not. The best one as a map:

# %%
from pathlib import Path

from PIL import Image

Image.open(sorted(Path("run/figures/pathways/P4S1").glob("*.png"))[0])

# %% [markdown]
# What a score is and is not: [Pathways](../concepts/pathways.md).
